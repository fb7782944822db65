"""`seekloop STAGE SPEC.yaml --from ID…`: one command for every stage in the catalogue."""

from __future__ import annotations

import dataclasses
import sys
import typing
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json
from seekloop.app.folder import context_of
from seekloop.app.verbs.records import copy_out
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact, Report
from seekloop.evaluate import markdown
from seekloop.loop import catalog
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve

__all__ = ["inputs_of", "run"]


def run(
    *, name: str, spec: Path, sources: list[str], changes: list[str], out: Path | None, folder: Path, as_json: bool
) -> None:
    """Run one stage alone on artifacts of the project (or of the folder's own `.seekloop/`)."""
    entry = catalog.stage(name)
    parsed = entry.load_spec().load(spec, changes=changes)
    ctx = context_of(folder)
    artifact = entry.load_run()(parsed, inputs_of(entry, sources, ctx=ctx), ctx=ctx)
    if settings.launch().rank:
        # The first process says for all what came of it.
        ctx.close()
        return
    if out is not None:
        copy_out(artifact.id, out, ctx=ctx)
    if as_json:
        print_json({"id": artifact.id, **artifact.model_dump(mode="json")})
    else:
        if isinstance(artifact, Report):
            print(_table(artifact, ctx), file=sys.stderr)
        print(artifact.id)
    ctx.close()


def _table(report: Report, ctx: RunContext) -> str:
    before = report.parents.get("baseline")
    baselines = {} if before is None else {"baseline": ctx.store.open(before, Report)}
    return markdown.render(report, baselines=baselines, language="zh" if settings.language() == "zh" else "en")


def inputs_of(entry: catalog.StageEntry, sources: list[str], *, ctx: RunContext) -> Any:
    """Match each `--from` to the stage's input of its kind; `ROLE=ID` names the role where two have the same kind."""
    inputs = entry.load_inputs()
    hints = typing.get_type_hints(inputs)
    found: dict[str, Artifact] = {}
    for source in sources:
        role, _, identity = source.rpartition("=")
        artifact = _open(identity, ctx)
        fits = [name for name, hint in hints.items() if isinstance(artifact, _kinds(hint)) and name not in found]
        if role:
            fits = [name for name in fits if name == role]
        if not fits:
            raise UsageError("loop.input_not_taken", stage=entry.name, id=source, roles=_roles(hints))
        found[fits[0]] = artifact
    required = {field.name for field in dataclasses.fields(inputs) if field.default is dataclasses.MISSING}
    missing = sorted(required - set(found))
    if missing:
        raise UsageError("loop.input_missing", stage=entry.name, role=missing[0], roles=_roles(hints))
    return inputs(**found)


def _open(identity: str, ctx: RunContext) -> Artifact:
    """An artifact id, or the name of a base model."""
    kind, _, rest = identity.partition(":")
    if kind in catalog.KINDS and rest:
        return ctx.store.load(identity)
    # Resolved here because it brings torch along, which a stage without a base model can do without.
    base: Artifact = resolve("seekloop.runtime.bases:open_base")(identity, ctx=ctx)
    return base


def _kinds(hint: Any) -> tuple[type, ...]:
    parts = typing.get_args(hint) or (hint,)
    return tuple(part for part in parts if isinstance(part, type) and part is not type(None))


def _roles(hints: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({'/'.join(k.__name__ for k in _kinds(hint))})" for name, hint in hints.items())
