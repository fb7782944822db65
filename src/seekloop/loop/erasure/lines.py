"""Lines of traffic and reports that speak of rows or answers, and these artifacts written again without them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact, Report, Traffic
from seekloop.data.erase import EraseSpec

__all__ = ["Lines", "lines_of", "without"]

_row = re.compile(r"row:[0-9a-f]{16}(?:-\d+)?")
_shown = (".html", ".md")
"""Pages that show examples; what they are drawn from stays."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What one artifact shows of them."""

    artifact: str
    lines: dict[str, int]
    """Lines by file."""
    pages: tuple[str, ...] = ()
    """Files that are shown as a whole and have some of them."""

    @property
    def count(self) -> int:
        """Lines, all files together."""
        return sum(self.lines.values())


def lines_of(
    artifact: Traffic | Report, *, rows: Collection[str], answers: Collection[str], ctx: RunContext
) -> Lines | None:
    """What an artifact shows of rows and answers; None where it shows nothing.

    Raises:
        ArtifactError: a file is missing.
    """
    lines, pages = {}, []
    for name in sorted(artifact.files):
        path = ctx.store.path(artifact.id, name)
        if name.endswith(".jsonl"):
            with path.open("rb") as file:
                count = sum(_speaks(json.loads(line), rows=rows, answers=answers) for line in file)
            if count:
                lines[name] = count
        elif name.endswith(".json") and _names(path, rows):
            pages.append(name)
    if not lines and not pages:
        return None
    pages += [name for name in sorted(artifact.files) if name.endswith(_shown)]
    return Lines(artifact=artifact.id, lines=lines, pages=tuple(pages))


def without(
    found: Lines, *, rows: Collection[str], answers: Collection[str], replaced: Mapping[str, str], ctx: RunContext
) -> str:
    """Write an artifact again without these lines and pages; returns the new id. Figures stay as they were measured.

    Raises:
        ArtifactError: the disk is full, or the artifact is damaged.
    """
    old = ctx.store.load(found.artifact)
    assert isinstance(old, Traffic | Report)
    with ctx.job(old.made_by.stage, EraseSpec(of=old.id, person="")) as job:
        for name in sorted(old.files):
            source = ctx.store.path(old.id, name)
            if name in found.lines:
                _filter(source, job.path(name), rows=rows, answers=answers)
            elif name not in found.pages:
                shutil.copyfile(source, job.path(name))
        parents = {role: replaced.get(parent, parent) for role, parent in old.parents.items()}
        changed = {"parents": parents, "made_by": job.origin, "files": {}, **_told(old, found, replaced=replaced)}
        return job.commit(old.model_copy(update=changed)).id


def _told(old: Artifact, found: Lines, *, replaced: Mapping[str, str]) -> dict[str, Any]:
    match old:
        case Traffic():
            return {
                "answers": old.answers - found.lines.get("answers.jsonl", 0),
                "feedback": old.feedback - found.lines.get("feedback.jsonl", 0),
            }
        case Report():
            return {"dataset": replaced.get(old.dataset, old.dataset)}
        case _:
            raise ValueError("neither traffic nor a report")


def _filter(source: Path, target: Path, *, rows: Collection[str], answers: Collection[str]) -> None:
    with source.open("rb") as lines, target.open("wb") as file:
        file.writelines(line for line in lines if not _speaks(json.loads(line), rows=rows, answers=answers))


def _speaks(line: Mapping[str, Any], *, rows: Collection[str], answers: Collection[str]) -> bool:
    """Whether a line is about one of these rows or answers."""
    named = [line.get(name) for name in ("row", "id", "key", "answer")]
    return any(isinstance(one, str) and (one in rows or one in answers) for one in named)


def _names(path: Path, rows: Collection[str]) -> bool:
    return any(row in rows for row in _row.findall(path.read_text("utf-8", "replace")))
