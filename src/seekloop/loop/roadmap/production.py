"""Phase three: is what runs there gated, watched, reversible and proven, and does it do what it was made for?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Release
from seekloop.artifact.ledger import Alias
from seekloop.evaluate.kpis import Counted
from seekloop.loop import registry
from seekloop.loop.business import of_the_ledger
from seekloop.loop.project import ProjectSpec
from seekloop.loop.roadmap.criteria import Criterion, Report, State, Table, kpi_table, share
from seekloop.loop.roadmap.spec import RoadmapSpec
from seekloop.metrics.latency import percentile
from seekloop.system.errors import LedgerError

__all__ = ["production"]


@dataclass
class _Traffic:
    """What the events say of the answers; no text is opened."""

    first_token_s: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    callers: set[str] = field(default_factory=set)
    judged: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, ctx: RunContext) -> Self:
        found = cls()
        for event in ctx.ledger.events(kind=["answer.recorded", "feedback.recorded"]):
            if event.kind == "feedback.recorded":
                found.judged.add(event.facts["answer"])
                continue
            found.first_token_s.append(event.facts["first_token_ms"] / 1000)
            found.ends[event.facts["finish_reason"]] += 1
            found.callers.add(event.actor)
        return found


def production(project: ProjectSpec, spec: RoadmapSpec, *, ctx: RunContext) -> Report:
    """Look at the alias, the gate, the answers, what people said of them, and the chain."""
    history = ctx.ledger.alias_history(project.alias)
    traffic = _Traffic.read(ctx)
    kpis = of_the_ledger(project.kpis, ctx=ctx) if project.kpis else []
    criteria = (
        *_release(history, ctx),
        _quick(traffic, spec=spec),
        _judged(traffic, spec=spec),
        _goal(kpis),
        _watched(ctx),
        _proven(ctx),
    )
    return Report(
        phase="production",
        project=project.domain,
        at=ctx.clock.now().isoformat(timespec="seconds"),
        criteria=criteria,
        tables=tuple(_tables(history, traffic, kpis=kpis)),
    )


def _release(history: Sequence[Alias], ctx: RunContext) -> Iterator[Criterion]:
    if not history:
        yield Criterion(code="roadmap.nothing_live", state="open")
        return
    live = history[-1].target
    checkpoint = ctx.store.open(live, Release).checkpoint
    verdicts = [event.facts.get("decision") for event in ctx.ledger.events(kind="gate.verdict", subject=checkpoint)]
    first = len({move.target for move in history}) == 1
    state: State = "met" if "promote" in verdicts else "unknown" if first else "open"
    yield Criterion(code="roadmap.gated", state=state, facts={"by": history[-1].actor}, source=live)
    back = [move for move in history if move.reason.startswith(registry.ROLLBACK)]
    facts = {"count": len(back), "at": back[-1].at if back else "-"}
    yield Criterion(code="roadmap.reversible", state="met" if back else "open", facts=facts)


def _quick(traffic: _Traffic, *, spec: RoadmapSpec) -> Criterion:
    times = traffic.first_token_s
    if not times:
        return Criterion(code="roadmap.quick", state="unknown", facts={"asked": spec.first_token_s, "p95": "-"})
    p95 = percentile(times, 0.95)
    facts = {"asked": spec.first_token_s, "p95": f"{p95:.3f}"}
    return Criterion(code="roadmap.quick", state="met" if p95 <= spec.first_token_s else "open", facts=facts)


def _judged(traffic: _Traffic, *, spec: RoadmapSpec) -> Criterion:
    judged, answers = len(traffic.judged), len(traffic.first_token_s)
    facts = {"share": share(judged, answers), "asked": f"{spec.judged:.0%}", "answers": answers}
    met = answers > 0 and judged >= spec.judged * answers
    return Criterion(code="roadmap.judged", state="met" if met else "open", facts=facts)


def _goal(kpis: Sequence[Counted]) -> Criterion:
    read = [one.name for one in kpis if one.figure is not None]
    state: State = "met" if read else "open"
    return Criterion(code="roadmap.goal_read", state=state, facts={"names": ", ".join(read) or "-"})


def _watched(ctx: RunContext) -> Criterion:
    cycles = {event.subject: event.at for event in ctx.ledger.events(kind="loop.cycle")}
    facts = {"count": len(cycles), "at": max(cycles.values(), default="-")}
    return Criterion(code="roadmap.watched", state="met" if cycles else "open", facts=facts)


def _proven(ctx: RunContext) -> Criterion:
    try:
        events = ctx.ledger.verify()
    except LedgerError as error:
        return Criterion(code="roadmap.not_proven", state="open", facts={"problem": error.sentence()})
    return Criterion(code="roadmap.proven", state="met", facts={"events": events})


def _tables(history: Sequence[Alias], traffic: _Traffic, *, kpis: Sequence[Counted]) -> Iterator[Table]:
    times = traffic.first_token_s
    rows: list[tuple[object, ...]] = [("answers", len(times)), ("judged", len(traffic.judged))]
    rows += [("callers", len(traffic.callers))]
    if times:
        named = (("p50", 0.5), ("p95", 0.95))
        rows += [(f"first token {name}, s", f"{percentile(times, at):.3f}") for name, at in named]
    rows += [(f"ended: {why}", count) for why, count in sorted(traffic.ends.items())]
    yield Table(title="roadmap.traffic", head=("production", "count"), rows=tuple(rows))
    if kpis:
        yield kpi_table(kpis)
    moves = tuple((move.version, move.target[:16], move.at[:19], move.actor, move.reason) for move in history)
    yield Table(title="roadmap.history", head=("version", "release", "at", "by", "why"), rows=moves)
