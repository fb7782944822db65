"""The project's business figures: of a window of production for the gate, or of the ledger as it stands."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Figure, Traffic
from seekloop.evaluate import kpis as counting
from seekloop.evaluate.kpi_spec import Kpi
from seekloop.evaluate.kpis import Counted
from seekloop.learn.traffic import read_window

__all__ = ["figures_of_traffic", "of_the_ledger"]


def figures_of_traffic(kpis: Sequence[Kpi], traffic: Traffic, *, ctx: RunContext) -> tuple[Figure, ...]:
    """What a window of production comes to; a figure that no row has a value for is left out, and said.

    Raises:
        DataError: the traffic or a CSV file is damaged, or a value is not what its figure needs.
    """
    if not kpis:
        return ()
    window = read_window(traffic, store=ctx.store)
    feedback = [one.feedback for one in window.heard]
    found = counting.measure(kpis, answers=window.answers, feedback=feedback, root=ctx.root, seed=ctx.seed)
    for one in found:
        if one.missing or one.figure is None:
            ctx.progress.say(f"{one.name}: {one.missing} of {one.rows} rows have no value")
    return tuple(one.figure for one in found if one.figure is not None)


def of_the_ledger(
    kpis: Sequence[Kpi], *, ctx: RunContext, release: str | None = None, after: str | None = None
) -> list[Counted]:
    """What the ledger's answers and feedback come to.

    Args:
        kpis: the project's.
        ctx: of the project.
        release: only answers of this one.
        after: only what came after this ISO 8601 moment.

    Raises:
        DataError: as for `figures_of_traffic`.
        LedgerError: `after` is no moment.
    """
    answers = ctx.ledger.answers(release=release, after=after)
    known = {answer.id for answer in answers}
    feedback = [one for one in ctx.ledger.feedback(after=after) if one.answer in known]
    return counting.measure(kpis, answers=answers, feedback=feedback, root=ctx.root, seed=ctx.seed)
