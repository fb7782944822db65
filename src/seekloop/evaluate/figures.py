"""The figures of a report, each with its n and its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.measures import Measure, measures
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen
from seekloop.metrics import resampling, significance
from seekloop.metrics.significance import Interval
from seekloop.system import seeds

__all__ = ["figures", "measured", "part", "share"]


def part(seen: Seen) -> tuple[Figure, ...]:
    """The figures of the answers themselves."""
    seed = seeds.derive(seen.ctx.seed, "evaluate", "figures")
    return figures(seen.answers, seed=seed, resamples=seen.spec.resamples)


def figures(answers: Sequence[Scored], *, seed: int, resamples: int) -> tuple[Figure, ...]:
    """What the answers to one split amount to: `measures`, each over the rows that it can be measured on.

    Shares of rows have Wilson's interval, all else the studentised bootstrap over rows. Timings are not here but in the
    receipt's `cost`: two identical runs must give the same report.

    Raises:
        ValueError: no answers.
    """
    if not answers:
        raise ValueError("no answers")
    return measured(measures(answers), answers, seed=seed, resamples=resamples)


def measured(wanted: Sequence[Measure], answers: Sequence[Scored], *, seed: int, resamples: int) -> tuple[Figure, ...]:
    """The figures of some measures; those that no row counts for, or that have no meaning, are left out."""
    found: list[Figure] = []
    for one in wanted:
        some = [answer for answer in answers if one.has(answer)]
        if not some:
            continue
        if one.right is not None:
            figure: Figure | None = share(one.name, [one.right(answer) for answer in some])
        else:
            figure = _resampled(one, some, seed=seed, resamples=resamples)
        if figure is not None:
            found.append(figure.model_copy(update={"unit": one.unit, "better": one.better}))
    return tuple(found)


def share(name: str, right: Sequence[bool]) -> Figure:
    """The share of `right` that holds, with its Wilson interval; at least one."""
    count, n = sum(right), len(right)
    return _figure(name, count / n, n=n, interval=significance.wilson(count, n))


def _resampled(measure: Measure, answers: Sequence[Scored], *, seed: int, resamples: int) -> Figure | None:
    """The figure with its studentised interval, which leans away from 0 and 1 where those are the ends."""
    of = measure.sums(answers)
    value = of.observed
    if not math.isfinite(value):
        return None
    make = resampling.interval if measure.unit == "share" else resampling.studentised
    return _figure(measure.name, value, n=len(answers), interval=make(of, resamples=resamples, seed=seed))


def _figure(name: str, value: float, *, n: int, interval: Interval) -> Figure:
    """A figure in ten digits: what another machine's linear algebra adds in the sixteenth is no other result."""
    return Figure(name=name, value=round(value, 10), n=n, ci=(round(interval.low, 10), round(interval.high, 10)))
