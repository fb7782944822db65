"""Costs of runs, releases and answers, from receipts and from the events of the ledger.

run      processor seconds and wall seconds of the receipt
release  the receipts of everything that it was made of, and of them what no earlier release was made of
answer   tokens / (tokens a second that the release's report measured) * cores: the report measured with several answers
         at one time, so it is the cost of a machine that is used, not of one that waits

energy (Wh) = processor seconds * watts a core / 3600: an estimate, no meter was read
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Release
from seekloop.loop.costs.spec import CostSpec

__all__ = ["AnswerCosts", "Costs", "ReleaseCost", "Report", "RunCost", "costs"]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What something took."""

    core_s: float
    """Processor seconds."""
    money: float
    wh: float
    grams: float

    @classmethod
    def of(cls, core_s: float, spec: CostSpec) -> Costs:
        """Of so many processor seconds."""
        wh = core_s * spec.watts_core / 3600
        money = core_s / 3600 * spec.core_hour + wh / 1000 * spec.kwh
        return cls(core_s=core_s, money=money, wh=wh, grams=wh / 1000 * spec.grams_per_kwh)


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """Of one artifact."""

    id: str
    stage: str
    wall_s: float
    counted: bool
    """Whether its receipt tells processor seconds; else its wall seconds are taken for one core."""
    costs: Costs


@dataclass(frozen=True, kw_only=True)
class ReleaseCost:
    """Of one release."""

    id: str
    whole: Costs
    """Of everything that it was made of."""
    own: Costs
    """Of what no earlier release was made of."""


@dataclass(frozen=True, kw_only=True)
class AnswerCosts:
    """Of the answers of one release."""

    release: str
    answers: int
    tokens: int
    """Prompt and answer."""
    tokens_per_s: float | None
    """As its report measured; None: it did not, and nothing can be said."""
    each: Costs | None
    """Of one answer, on average."""
    all: Costs | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """All three."""

    spec: CostSpec
    runs: tuple[RunCost, ...]
    releases: tuple[ReleaseCost, ...]
    answers: tuple[AnswerCosts, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "spec": self.spec.model_dump(mode="json"),
            "runs": [asdict(one) for one in self.runs],
            "releases": [asdict(one) for one in self.releases],
            "answers": [asdict(one) for one in self.answers],
        }


def costs(spec: CostSpec, *, ctx: RunContext) -> Report:
    """What the project has cost so far."""
    runs = tuple(_runs(spec, ctx))
    return Report(
        spec=spec,
        runs=runs,
        releases=tuple(_releases({one.id: one.costs.core_s for one in runs}, spec, ctx=ctx)),
        answers=tuple(_answers(spec, ctx)),
    )


def _runs(spec: CostSpec, ctx: RunContext) -> Iterator[RunCost]:
    for record in ctx.ledger.artifacts():
        receipt = ctx.store.receipt(record.id)
        counted = receipt.cost.get("cpu_core_s")
        stage = ctx.store.load(record.id).made_by.stage
        core_s = receipt.wall_s if counted is None else counted
        told = counted is not None
        yield RunCost(id=record.id, stage=stage, wall_s=receipt.wall_s, counted=told, costs=Costs.of(core_s, spec))


def _releases(core_s: dict[str, float], spec: CostSpec, *, ctx: RunContext) -> Iterator[ReleaseCost]:
    parents = {record.id: tuple(record.parents.values()) for record in ctx.ledger.artifacts()}
    paid: set[str] = set()
    for record in ctx.ledger.artifacts("release"):
        release = ctx.store.open(record.id, Release)
        made_of = _behind([record.id, release.checkpoint, release.report], parents)
        whole, own = (sum(core_s.get(one, 0.0) for one in some) for some in (made_of, made_of - paid))
        paid |= made_of
        yield ReleaseCost(id=record.id, whole=Costs.of(whole, spec), own=Costs.of(own, spec))


def _behind(begin: Sequence[str], parents: dict[str, tuple[str, ...]]) -> set[str]:
    met: set[str] = set()
    pending = list(begin)
    while pending:
        one = pending.pop()
        if one not in met:
            met.add(one)
            pending += parents.get(one, ())
    return met


def _answers(spec: CostSpec, ctx: RunContext) -> Iterator[AnswerCosts]:
    counted: dict[str, list[int]] = {}
    for event in ctx.ledger.events(kind="answer.recorded"):
        of = counted.setdefault(event.facts["release"], [0, 0])
        of[0] += 1
        of[1] += event.facts["prompt_tokens"] + event.facts["completion_tokens"]
    for release, (answers, tokens) in counted.items():
        speed = _measured(release, ctx)
        every = None if not speed else Costs.of(tokens / speed * spec.cores, spec)
        each = None if every is None else Costs.of(every.core_s / answers, spec)
        yield AnswerCosts(release=release, answers=answers, tokens=tokens, tokens_per_s=speed, each=each, all=every)


def _measured(release: str, ctx: RunContext) -> float | None:
    """Prompt and answer tokens a second, in the run that measured what was released."""
    receipt = ctx.store.receipt(ctx.store.open(release, Release).report)
    asked, answered, speed = (receipt.cost.get(name) for name in ("prompt_tokens", "tokens", "tokens_per_s"))
    if not answered or not speed or asked is None:
        return None
    return (asked + answered) / (answered / speed)
