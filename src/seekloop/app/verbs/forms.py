"""`seekloop forms`: every form of a checkpoint in one table, and which one to take."""

from __future__ import annotations

from pathlib import Path

from seekloop.app.console import print_json
from seekloop.app.folder import context_of
from seekloop.app.verbs.stages import opened
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.loop.forms.pick import pick
from seekloop.loop.forms.rendering import markdown, page
from seekloop.loop.forms.spec import FormsSpec, Goal
from seekloop.loop.forms.table import family_of, measured_table
from seekloop.loop.forms.words import Language
from seekloop.loop.project import FILE, Project
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.files import write_whole
from seekloop.system.spec import override

__all__ = ["forms"]


def forms(
    *,
    sources: list[str],
    goal: Goal,
    changes: list[str],
    out: Path | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Measure what is missing, print the table and the pick, and write `out` as a page or as Markdown.

    Raises:
        UsageError: there is no checkpoint or not one dataset, the checkpoints have several parents, or no form.
        Others as `measured_table`.
    """
    language: Language = "zh" if settings.language() == "zh" else "en"
    # A project's own reports are under its own spec, and are not made again.
    told = {"evaluate": Project.open(folder).spec.evaluate.model_dump()} if (folder / FILE).exists() else {}
    spec = FormsSpec.parse(override(told, changes))
    with context_of(folder) as ctx:
        artifacts = [opened(one, ctx) for one in dict.fromkeys(sources)]
        named = [one for one in artifacts if isinstance(one, Checkpoint)]
        rows = [one for one in artifacts if isinstance(one, Dataset)]
        if not named or len(rows) != 1:
            raise UsageError("loop.forms_of_what")
        parent, found = family_of(named, ctx=ctx)
        table = measured_table(parent, found, dataset=rows[0], spec=spec, ctx=ctx)
    picked = pick(table, goal, language=language)
    if out is not None:
        render = markdown if out.suffix in (".md", ".markdown") else page
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, render(table, picked, language=language).encode())
    if as_json:
        print_json({**table.as_json(), "pick": {"id": picked.id, "reason": picked.reason}})
        return
    print(markdown(table, picked, language=language), end="")
