"""Verbs of a project: init, run, status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table, reporter
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Report
from seekloop.loop import registry
from seekloop.loop.project import Project
from seekloop.loop.receipt import first_receipt, next_receipt
from seekloop.loop.run import first_round, next_round
from seekloop.loop.steps import Steps
from seekloop.serve.traffic import collect
from seekloop.system import digests

__all__ = ["init", "run", "status"]

FORMS: dict[str, Any] = {
    "compress": {"int8": {"method": {"type": "gguf", "precision": "q8_0"}}},
    "release_form": "int8",
}
"""What a new project serves: eight bits, on the fast CPU engine."""


def init(*, folder: Path, recipe: str | None, dials: dict[str, str], data: list[Path]) -> None:
    """Write seekloop.yaml."""
    values: dict[str, Any] = {"recipe": recipe} if recipe else {**dials, **FORMS}
    if data:
        values["data"] = {"sources": [{"path": str(path.resolve())} for path in data]}
    project = Project.create(folder, values)
    print(f"{folder / 'seekloop.yaml'} written: {project.spec.domain} on {project.spec.base}")
    print(f"next: seekloop plan -p {folder}; seekloop run -p {folder}")


def run(*, folder: Path, changes: list[str], as_json: bool) -> None:
    """Run the first round; once something is released and traffic has come in, run the next."""
    project = Project.open(folder, changes=changes)
    ctx = project.context(progress=reporter())
    receipt = _next(project, ctx) if ctx.ledger.alias(project.spec.alias) else _first(project, ctx)
    ctx.ledger.anchor()
    ctx.ledger.close()
    if as_json:
        print_json(receipt)
    else:
        print_table("receipt", head=("", ""), rows=[(key, value) for key, value in receipt.items()])


def _first(project: Project, ctx: RunContext) -> dict[str, Any]:
    steps = Steps(ctx, "first round")
    return first_receipt(first_round(project.spec, steps), steps)


def _next(project: Project, ctx: RunContext) -> dict[str, Any]:
    traffic = collect(ctx, release=registry.released(project.spec.alias, ctx=ctx).release.id)
    steps = Steps(ctx, f"round on {digests.short(traffic.id)}")
    return next_receipt(next_round(project.spec, traffic, steps=steps), steps)


def status(*, folder: Path, as_json: bool) -> None:
    """Print artifacts, the released version and its history."""
    project = Project.open(folder)
    ctx = project.context()
    records = ctx.ledger.artifacts()
    history = ctx.ledger.alias_history(project.spec.alias)
    if as_json:
        print_json({"artifacts": [vars(r) for r in records], "history": [vars(entry) for entry in history]})
    else:
        rows = [(digests.short(r.id), r.created_at, f"{r.wall_s:.1f} s", _summary(r.id, ctx)) for r in records]
        print_table("artifacts", head=("id", "made", "work", "what"), rows=rows)
        entries = [
            (entry.version, digests.short(entry.target), entry.at, entry.actor, entry.reason) for entry in history
        ]
        print_table(f"history of {project.spec.alias}", head=("version", "release", "at", "by", "why"), rows=entries)
    ctx.ledger.close()


def _summary(identity: str, ctx: RunContext) -> str:
    artifact = ctx.store.load(identity)
    if isinstance(artifact, Report):
        return ", ".join(f"{f.name} {f.value:.3f}" for f in artifact.figures[:2])
    return f"{artifact.size / 1e6:.1f} MB"
