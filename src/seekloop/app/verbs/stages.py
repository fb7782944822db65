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
from seekloop.evaluate import markdown, verdict
from seekloop.evaluate.efficiency import figures_of
from seekloop.loop import catalog
from seekloop.runtime.endpoint.served import is_endpoint, open_endpoint
from seekloop.system import settings
from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve

__all__ = ["inputs_of", "opened", "report_table", "run"]


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
            language: markdown.Language = "zh" if settings.language() == "zh" else "en"
            print(report_table(artifact, ctx=ctx, language=language), file=sys.stderr)
        print(artifact.id)
    ctx.close()


def report_table(report: Report, *, ctx: RunContext, language: markdown.Language) -> str:
    """A report with its verdicts, its baselines and its costs, in Markdown."""
    before = {role: identity for role, identity in report.parents.items() if role.partition(".")[0] == "baseline"}
    return markdown.render(
        report,
        baselines={role: ctx.store.open(identity, Report) for role, identity in before.items()},
        verdicts=verdict.read(report, store=ctx.store),
        costs=figures_of(ctx.store.receipt(report.id)),
        language=language,
    )


def inputs_of(entry: catalog.StageEntry, sources: list[str], *, ctx: RunContext) -> Any:
    """Match each `--from` to the stage's input of its kind; `ROLE=ID` names the role where two have the same kind."""
    inputs = entry.load_inputs()
    hints = typing.get_type_hints(inputs)
    found: dict[str, Artifact | tuple[Artifact, ...]] = {}
    several = {name for name, hint in hints.items() if typing.get_origin(hint) is tuple}
    for source in sources:
        role, _, identity = source.rpartition("=")
        artifact = opened(identity, ctx)
        fits = [
            name
            for name, hint in hints.items()
            if isinstance(artifact, _kinds(hint)) and (name in several or name not in found)
        ]
        if role:
            fits = [name for name in fits if name == role]
        if not fits:
            raise UsageError("loop.input_not_taken", stage=entry.name, id=source, roles=_roles(hints))
        before = found.get(fits[0], ())
        found[fits[0]] = (*before, artifact) if isinstance(before, tuple) and fits[0] in several else artifact
    required = {field.name for field in dataclasses.fields(inputs) if field.default is dataclasses.MISSING}
    missing = sorted(required - set(found))
    if missing:
        raise UsageError("loop.input_missing", stage=entry.name, role=missing[0], roles=_roles(hints))
    return inputs(**found)


def opened(identity: str, ctx: RunContext) -> Artifact:
    """What a `--from` names: an artifact id, the address of a served model, or the name of a base model.

    Raises:
        ArtifactError: no such artifact.
        ModelError: no such base model.
        UsageError: an address without a model.
    """
    kind, _, rest = identity.partition(":")
    if kind in catalog.KINDS and rest:
        return ctx.store.load(identity)
    if is_endpoint(identity):
        return open_endpoint(identity, ctx=ctx)
    # Resolved here because it brings torch along, which a stage without a base model can do without.
    base: Artifact = resolve("seekloop.runtime.bases:open_base")(identity, ctx=ctx)
    return base


def _kinds(hint: Any) -> tuple[type, ...]:
    parts = typing.get_args(hint) or (hint,)
    return tuple(part for part in parts if isinstance(part, type) and part is not type(None))


def _roles(hints: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({'/'.join(k.__name__ for k in _kinds(hint))})" for name, hint in hints.items())
