"""What is known of a checkpoint or release: from its line of artifacts, its reports and the ledger. Nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact, Checkpoint, Dataset, Figure, Receipt, Release, Report
from seekloop.artifact.ledger import Event
from seekloop.artifact.lineage import gather, shredded
from seekloop.artifact.rowset import TRAIN
from seekloop.loop.compliance.counted import count_rows
from seekloop.loop.costs.report import Costs
from seekloop.loop.costs.spec import CostSpec
from seekloop.model.families import FamilyCard, cards
from seekloop.system.errors import ArtifactError

__all__ = ["Facts", "Work", "gather_facts"]

_slices = "slices.json"
_before = ("base", "parent", "checkpoint")


@dataclass(frozen=True, kw_only=True)
class Work:
    """What it took to make all of it."""

    spec: CostSpec
    costs: Costs
    counted: int
    """Artifacts whose receipts tell processor seconds."""
    all: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All of it."""

    subject: Checkpoint | Release
    checkpoint: Checkpoint
    line: tuple[Checkpoint, ...]
    """The checkpoint and those that it was made from, nearest first."""
    base: Checkpoint | None
    """Where the line begins."""
    family: FamilyCard | None
    datasets: tuple[Dataset, ...]
    """That the line was trained with, nearest first."""
    languages: Counter[str]
    """Train rows of these by language, told by script."""
    receipts: dict[str, Receipt]
    """Of the line, by id."""
    reports: tuple[Report, ...]
    """About the checkpoint; a release's own first, then the newest first."""
    slices: tuple[Figure, ...]
    """Of the first report that has some."""
    verdicts: tuple[Event, ...]
    """Of gates and people, oldest first."""
    taints: tuple[Event, ...]
    aliases: tuple[str, ...]
    """Names that stand for it now."""
    work: Work

    def forgetting(self) -> dict[str, Any] | None:
        """What the newest verdict that measured it says: `value`, `ci`, `n`."""
        for event in reversed(self.verdicts):
            for one in event.facts.get("outcomes", ()):
                if one["rule"].get("figure") == "forgetting_points" and one.get("value") is not None:
                    return {name: one.get(name) for name in ("value", "ci", "n")}
        return None


def gather_facts(subject: Checkpoint | Release, *, ctx: RunContext) -> Facts:
    """Everything known of it.

    Raises:
        ArtifactError: something that it was made of is missing or damaged.
    """
    checkpoint = ctx.store.open(subject.checkpoint, Checkpoint) if isinstance(subject, Release) else subject
    behind = gather(checkpoint.id, store=ctx.store, ledger=ctx.ledger).artifacts
    line = tuple(_line(checkpoint, {one.id: one for one in behind}))
    ids = {parent for one in line for role, parent in one.parents.items() if parent.startswith("dataset:")}
    datasets = tuple(one for one in behind if isinstance(one, Dataset) and one.id in ids)
    reports = tuple(_reports(subject, checkpoint, ctx=ctx))
    about = {subject.id, checkpoint.id}
    return Facts(
        subject=subject,
        checkpoint=checkpoint,
        line=line,
        base=line[-1] if line else None,
        family=next((one for one in cards() if one.name == checkpoint.family), None),
        datasets=datasets,
        languages=_languages(datasets, ctx),
        receipts={one.id: ctx.store.receipt(one.id) for one in line},
        reports=reports,
        slices=_slices_of(reports, ctx),
        verdicts=tuple(_events(("gate.verdict", "gate.approved", "gate.declined"), about, ctx=ctx)),
        taints=tuple(_taints(subject, checkpoint, ctx=ctx)),
        aliases=tuple(_aliases(subject, checkpoint, ctx=ctx)),
        work=_work(behind, ctx),
    )


def _line(checkpoint: Checkpoint, known: dict[str, Artifact]) -> Iterator[Checkpoint]:
    """As `registry` goes back: what was compressed first, then what was trained on."""
    pending: Checkpoint | None = checkpoint
    while pending is not None:
        yield pending
        roles = ("checkpoint", *_before) if pending.form not in ("full", "adapter") else (*_before[1:], *_before[:1])
        before = next((pending.parents[role] for role in roles if role in pending.parents), None)
        found = known.get(before) if before is not None else None
        pending = found if isinstance(found, Checkpoint) else None


def _languages(datasets: tuple[Dataset, ...], ctx: RunContext) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in datasets:
        counted = count_rows(one, TRAIN, ctx=ctx)
        if counted is not None:
            found.update(counted.languages)
    return found


def _reports(subject: Artifact, checkpoint: Checkpoint, *, ctx: RunContext) -> Iterator[Report]:
    own = subject.report if isinstance(subject, Release) else None
    if own is not None:
        yield ctx.store.open(own, Report)
    for record in reversed(ctx.ledger.artifacts("report")):
        if record.id == own:
            continue
        try:
            report = ctx.store.open(record.id, Report)
        except ArtifactError:  # replaced after an erasure, and swept: it is no figure any more
            continue
        if report.subject == checkpoint.id:
            yield report


def _slices_of(reports: tuple[Report, ...], ctx: RunContext) -> tuple[Figure, ...]:
    for one in reports:
        if _slices in one.files and _slices not in shredded(one.id, ledger=ctx.ledger):
            told = json.loads(ctx.store.path(one.id, _slices).read_text("utf-8"))
            return tuple(Figure.model_validate(figure) for figure in told)
    return ()


def _events(kinds: tuple[str, ...], about: set[str], *, ctx: RunContext) -> list[Event]:
    return sorted((e for one in about for e in ctx.ledger.events(kind=kinds, subject=one)), key=lambda e: e.seq)


def _releases(subject: Artifact, checkpoint: Checkpoint, *, ctx: RunContext) -> set[str]:
    """A release itself; of a checkpoint, every release that carries it."""
    if isinstance(subject, Release):
        return {subject.id}
    made = [record for record in ctx.ledger.artifacts("release") if checkpoint.id in record.parents.values()]
    return {record.id for record in made}


def _taints(subject: Artifact, checkpoint: Checkpoint, *, ctx: RunContext) -> Iterator[Event]:
    releases = _releases(subject, checkpoint, ctx=ctx)
    for event in ctx.ledger.events(kind=("release.tainted", "person.erased")):
        if event.subject in releases or checkpoint.id in event.facts.get("checkpoints", ()):
            yield event


def _aliases(subject: Artifact, checkpoint: Checkpoint, *, ctx: RunContext) -> Iterator[str]:
    releases = _releases(subject, checkpoint, ctx=ctx)
    for name in sorted({event.subject for event in ctx.ledger.events(kind="alias.moved")}):
        now = ctx.ledger.alias(name)
        if now is not None and now.target in releases:
            yield name


def _work(artifacts: tuple[Artifact, ...], ctx: RunContext) -> Work:
    spec, seconds, counted = CostSpec(), 0.0, 0
    for one in artifacts:
        receipt = ctx.store.receipt(one.id)
        core_s = receipt.cost.get("cpu_core_s")
        counted += core_s is not None
        seconds += receipt.wall_s if core_s is None else core_s
    return Work(spec=spec, costs=Costs.of(seconds, spec), counted=counted, all=len(artifacts))
