"""The project's business figures: of a window of production for the gate, or of the ledger as it stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Figure, Traffic
from seekloop.artifact.ledger import Answer
from seekloop.evaluate import kpis as counting
from seekloop.evaluate.kpi_spec import Kpi, TrafficKpi
from seekloop.evaluate.kpis import Counted
from seekloop.learn.retries import retried
from seekloop.learn.spec import LearnSpec
from seekloop.learn.traffic import read_window

__all__ = ["figures_of_traffic", "of_the_ledger"]


def figures_of_traffic(
    kpis: Sequence[Kpi], traffic: Traffic, *, ctx: RunContext, learn: LearnSpec | None = None
) -> tuple[Figure, ...]:
    """What a window of production comes to; a figure that no row has a value for is left out, and said.

    Args:
        kpis: the project's.
        traffic: the window.
        ctx: of the project.
        learn: says when a question counts as asked again; None: as a project without dials has it.

    Raises:
        DataError: the traffic or a CSV file is damaged, or a value is not what its figure needs.
    """
    if not kpis:
        return ()
    window = read_window(traffic, store=ctx.store)
    again = _retried(kpis, window.answers, learn=learn)
    said = window.said
    found = counting.measure(kpis, answers=window.answers, feedback=said, root=ctx.root, seed=ctx.seed, retried=again)
    for one in found:
        if one.missing or one.figure is None:
            ctx.progress.say(f"{one.name}: {one.missing} of {one.rows} rows have no value")
    return tuple(one.figure for one in found if one.figure is not None)


def of_the_ledger(
    kpis: Sequence[Kpi],
    *,
    ctx: RunContext,
    release: str | None = None,
    after: str | None = None,
    learn: LearnSpec | None = None,
) -> list[Counted]:
    """What the ledger's answers and feedback come to.

    Args:
        kpis: the project's.
        ctx: of the project.
        release: only answers of this one.
        after: only what came after this ISO 8601 moment.
        learn: as for `figures_of_traffic`.

    Raises:
        DataError: as for `figures_of_traffic`.
        LedgerError: `after` is no moment.
    """
    answers = ctx.ledger.answers(release=release, after=after)
    known = {answer.id for answer in answers}
    feedback = [one for one in ctx.ledger.feedback(after=after) if one.answer in known]
    again = _retried(kpis, answers, learn=learn)
    return counting.measure(kpis, answers=answers, feedback=feedback, root=ctx.root, seed=ctx.seed, retried=again)


def _retried(kpis: Sequence[Kpi], answers: Sequence[Answer], *, learn: LearnSpec | None) -> Collection[str]:
    if not any(isinstance(kpi, TrafficKpi) and kpi.column == "retry" for kpi in kpis):
        return ()
    dials = learn or LearnSpec()
    return retried(answers, within_s=dials.retry_s, alike=dials.retry_alike)
