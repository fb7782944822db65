"""Whether a share of good outcomes fell, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from seekloop.metrics.sequential import Tally, evidence_below
from seekloop.metrics.two_sample import share_difference

__all__ = ["Drop", "kpi_drop"]


@dataclass(frozen=True, kw_only=True)
class Drop:
    """What became of a share."""

    before: Tally
    after: Tally
    points: float
    """By how many points of 100 it fell; below 0: it rose. 0 where a side is empty."""
    ci: tuple[float, float] | None
    """95 % interval of it, in points (Newcombe), for one look; None: a side is empty."""
    p_value: float
    """One-sided, of "it did not fall", for one look: two shares, pooled variance."""
    evidence: float
    """ln of the evidence that it fell, which may be looked at after every answer."""
    dropped: bool
    """It fell by the points asked for, and not by chance."""


def kpi_drop(before: Tally, after: Tally, *, points: float, alpha: float = 0.05, once: bool = False) -> Drop:
    """Whether a share fell by `points` of 100 or more from one window to a later one.

    The drop must be as large as was asked for, and the evidence that there is one beyond 1 / alpha. That holds however
    often one looks while the later window grows: where nothing changed, at most a share alpha of series ever says
    "dropped" (`metrics.sequential`).

    Args:
        before: right answers (or completed tasks) of how many, in the window that is compared with.
        after: in the later one.
        points: least drop, such as 3 for `3pt`.
        alpha: how often it may be wrong where nothing changed.
        once: whether this is the only look at the later window: then the p-value decides, which sees more.

    Raises:
        ValueError: a tally is not 0 to n, or alpha is no error rate.
    """
    evidence = evidence_below(after, before)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha {alpha}")
    if before.mean is None or after.mean is None:
        return Drop(before=before, after=after, points=0.0, ci=None, p_value=1.0, evidence=evidence, dropped=False)
    fell = 100 * (before.mean - after.mean)
    sides = [(round(one.total), one.n) for one in (before, after)]
    interval = share_difference(sides[0], sides[1])
    p_value = _p_value(before, after)
    certain = p_value <= alpha if once else evidence >= math.log(1 / alpha)
    return Drop(
        before=before,
        after=after,
        points=fell,
        ci=(100 * interval.low, 100 * interval.high),
        p_value=p_value,
        evidence=evidence,
        dropped=fell >= points - 1e-9 and fell > 0 and certain,
    )


def _p_value(before: Tally, after: Tally) -> float:
    """Two independent shares under one pooled variance, one-sided."""
    pooled = (before.total + after.total) / (before.n + after.n)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / before.n + 1 / after.n))
    if not deviation:
        return 1.0
    return 1 - NormalDist().cdf((before.total / before.n - after.total / after.n) / deviation)
