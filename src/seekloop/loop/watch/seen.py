"""Counts in the ledger what the triggers ask for, and nothing else: no model, no artifact is made."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Figure
from seekloop.artifact.ledger import Answer
from seekloop.evaluate import kpis as counting
from seekloop.evaluate.kpi_spec import TrafficKpi
from seekloop.learn.corrections import findings
from seekloop.learn.findings import Finding
from seekloop.learn.known import trained_rows
from seekloop.learn.mining.drifting import drift
from seekloop.learn.mining.kpi import kpi_drop
from seekloop.learn.mining.seen import of_answers
from seekloop.learn.traffic import window_of
from seekloop.loop import registry
from seekloop.loop.project import ProjectSpec
from seekloop.loop.registry import Released
from seekloop.loop.watch.cycles import Cycle
from seekloop.loop.watch.triggers import Compared, Seen
from seekloop.loop.watch_spec import Drift, KpiDrop, NErrors
from seekloop.metrics.sequential import Tally
from seekloop.system import seeds
from seekloop.system.errors import UsageError

__all__ = ["see"]


def see(spec: ProjectSpec, cycles: Sequence[Cycle], *, ctx: RunContext) -> Seen:
    """What the triggers of a project depend on.

    Args:
        spec: of the project.
        cycles: every one so far, oldest first.
        ctx: of the project.

    Raises:
        UsageError: nothing was promoted yet, or a trigger asks for a figure that is not there.
        DataError: a value is not what its figure needs.
    """
    parent = registry.released(spec.alias, ctx=ctx)
    since = _since(spec, cycles, ctx=ctx)
    now = ctx.clock.now()
    found = _found(spec, parent, since=since, ctx=ctx) if _asks(spec, NErrors) else []
    ends = [one.changes[-1].at for one in cycles if not one.running]
    today = spec.watch.local(now).date()
    begun = [one for one in cycles if one.trigger != "manual" and spec.watch.local(_moment(one.at)).date() == today]
    return Seen(
        now=now,
        since=_moment(since),
        ended=_moment(ends[-1]) if ends else None,
        today=len(begun),
        errors=sum(one.is_error for one in found),
        heard=len(found),
        kpis={
            place: _kpi(spec, one, release=parent.release.id, since=since, ctx=ctx)
            for place, one in enumerate(spec.watch.triggers)
            if isinstance(one, KpiDrop)
        },
        drifts={
            place: _drift(one, parent=parent, since=since, ctx=ctx)
            for place, one in enumerate(spec.watch.triggers)
            if isinstance(one, Drift)
        },
    )


def _asks(spec: ProjectSpec, kind: type) -> bool:
    return any(isinstance(one, kind) for one in spec.watch.triggers)


def _since(spec: ProjectSpec, cycles: Sequence[Cycle], *, ctx: RunContext) -> str:
    """A cycle that failed has answered nothing: what triggered it still counts."""
    last = next((one for one in reversed(cycles) if one.state != "failed"), None)
    return last.at if last else ctx.ledger.alias_history(spec.alias)[0].at


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _found(spec: ProjectSpec, parent: Released, *, since: str, ctx: RunContext) -> list[Finding]:
    """What the feedback since a moment says of the answers it speaks of, the newest of each counting."""
    feedback = ctx.ledger.feedback(after=since)
    spoken = dict.fromkeys(one.answer for one in feedback)
    answers = [answer for one in spoken if (answer := ctx.ledger.kept_answer(one)) is not None]
    trained = functools.partial(trained_rows, parent.trained_on, store=ctx.store)
    frozen, window = parent.frozen, window_of(answers, feedback)
    return findings(window, spec.learn, form=frozen.answer, labels=frozen.labels, known=trained)


def _kpi(spec: ProjectSpec, trigger: KpiDrop, *, release: str, since: str, ctx: RunContext) -> Compared:
    known = {one.name: one for one in spec.kpis if isinstance(one, TrafficKpi)}
    name = trigger.of or (next(iter(known)) if len(known) == 1 else None)
    if name not in known:
        raise UsageError("watch.no_such_kpi", name=trigger.of or "kpi_drop", known=", ".join(known) or "-")
    kpi, feedback = known[name], ctx.ledger.feedback()
    figures: list[Figure | None] = []
    for answers in _windows(trigger.window, release=release, since=since, ctx=ctx):
        ids = {answer.id for answer in answers}
        heard = [one for one in feedback if one.answer in ids]
        figures.append(counting.measure([kpi], answers=answers, feedback=heard, root=ctx.root, seed=ctx.seed)[0].figure)
    before, now = figures
    n = (before.n if before else 0, now.n if now else 0)
    if before is None or now is None or min(n) < trigger.window // 4:
        return Compared(before=None, now=None, n=n)
    # A fall is a drop, whichever direction is good.
    values = tuple(one.value if kpi.better == "higher" else -one.value for one in (before, now))
    return Compared(before=values[0], now=values[1], n=n, certain=_fell(kpi, (before, now), points=trigger.amount))


def _fell(kpi: TrafficKpi, figures: tuple[Figure, Figure], *, points: float) -> bool:
    """Whether a share, or a mean of scores, fell beyond chance; of other figures that cannot be told."""
    if kpi.aggregate != "share" and not (kpi.aggregate == "mean" and kpi.column == "score"):
        return True
    good = [one.value if kpi.better == "higher" else 1 - one.value for one in figures]
    before, after = (Tally(value * one.n, one.n) for value, one in zip(good, figures, strict=True))
    return kpi_drop(before, after, points=100 * points).dropped


def _drift(trigger: Drift, *, parent: Released, since: str, ctx: RunContext) -> Compared:
    sides = _windows(trigger.window, release=parent.release.id, since=since, ctx=ctx)
    form, labels = parent.frozen.answer, parent.frozen.labels
    before, now = (of_answers(side, form=form, labels=labels) for side in sides)
    n = (len(before), len(now))
    if min(n) < trigger.window // 4:
        return Compared(before=0.0, now=None, n=n)
    name = trigger.bound[0]
    found = drift(now, before, seed=seeds.derive(ctx.seed, "loop", "drift"))
    changed = [one for one in found.features if one.drifted]
    sizes = {one.feature: one.psi for one in changed if one.psi is not None}
    if name == "ks":
        sizes = {one.feature: one.statistic for one in changed if one.test == "ks"}
    what = max(sizes, key=lambda feature: sizes[feature], default="")
    return Compared(before=0.0, now=sizes.get(what, 0.0), n=n, what=what)


def _windows(size: int, *, release: str, since: str, ctx: RunContext) -> tuple[list[Answer], list[Answer]]:
    """The first answers of a release, and the newest since a moment; none is on both sides."""
    before = ctx.ledger.answers(release=release, limit=size)
    first = {answer.id for answer in before}
    now = [answer for answer in ctx.ledger.answers(release=release, after=since) if answer.id not in first]
    return before, now[-size:]
