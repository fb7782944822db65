"""How a figure grows with the rows trained on: power laws, and how far they may be trusted beyond what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.significance import Interval

__all__ = ["Curve", "curves", "fit", "foretold", "gain", "rows_for"]

Floats = NDArray[np.float64]
_nearest_floor = 0.95


class Curve(NamedTuple):
    """share(n) = 1 - floor - scale * n ** -exponent (Hestness et al. 2017; error falls as a power of the rows)."""

    floor: float
    """Error that no number of rows takes away."""
    scale: float
    exponent: float

    def __call__(self, rows: float) -> float:
        """The share that is right after training on `rows` rows, 0 to 1."""
        return min(1.0, max(0.0, 1 - self.floor - self.scale * math.pow(rows, -self.exponent)))


def fit(sizes: Sequence[int], shares: Sequence[float], *, floor: float = 0.0) -> Curve:
    """The curve with this floor through the last point, nearest to the others in the logarithm of the error.

    Least squares. The last point is the nearest to what is to be foretold, so nothing is said against it. The exponent
    is at least 0: more rows do no harm.

    Args:
        sizes: rows trained on, growing, two or more.
        shares: 0 to 1, in the same order.
        floor: below every error.
    """
    x = np.log(np.asarray(sizes, dtype=np.float64))
    y = np.log(np.maximum(1 - np.asarray(shares, dtype=np.float64) - floor, 1e-9))
    apart, lost = x[:-1] - x[-1], y[:-1] - y[-1]
    exponent = max(0.0, -float(apart @ lost / (apart @ apart)))
    return Curve(floor, math.exp(float(y[-1] + exponent * x[-1])), exponent)


def curves(sizes: Sequence[int], scores: Floats, *, resamples: int = 1000, seed: int) -> list[Curve]:
    """Curves that fit what was measured, each to another weighting of the rows and another floor.

    The rows are weighted at random, alike at every size (Rubin's Bayesian bootstrap, 1981), with half a right and half
    a wrong row added (Jeffreys' prior), so that no row right or all rows right is not taken for certain. Few sizes do
    not tell how low the error can fall, so each draw has its own floor, uniform from 0 to nearly the least error seen:
    what is foretold is as uncertain as that. What another seed of the training would change is not in it.

    Args:
        sizes: rows trained on, shape (k,), k of 2 or more.
        scores: of every row after every training, 0 to 1, shape (k, n).
        resamples: how many.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    padded = np.hstack([scores, np.tile([1.0, 0.0], (len(sizes), 1))])
    weights = np.ones(padded.shape[1])
    weights[-2:] = 0.5
    found = []
    for _ in range(resamples):
        errors = 1 - padded @ draw.dirichlet(weights)
        floor = float(draw.uniform(0, _nearest_floor) * errors.min())
        found.append(fit(sizes, list(1 - errors), floor=floor))
    return found


def foretold(found: Sequence[Curve], rows: float) -> tuple[float, Interval]:
    """The median of the curves at so many rows, and the middle 95 % of them."""
    values = np.array([curve(rows) for curve in found])
    low, middle, high = (float(one) for one in np.percentile(values, (2.5, 50, 97.5)))
    return middle, Interval(low, high)


def gain(found: Sequence[Curve], *, start: float, end: float) -> Interval:
    """The middle 95 % of what the curves add from `start` rows to `end`."""
    low, high = np.percentile([curve(end) - curve(start) for curve in found], (2.5, 97.5))
    return Interval(float(low), float(high))


def rows_for(found: Sequence[Curve], goal: float, *, most: float) -> int | None:
    """The rows that `goal` takes at the least, to two digits: where the interval begins to hold it.

    Args:
        found: as `curves` gives them.
        goal: a share.
        most: rows to look at, at most; None is given where these do not do.
    """
    if foretold(found, most)[1].high < goal:
        return None
    low, high = 0.0, math.log(most)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if foretold(found, math.exp(middle))[1].high >= goal else (middle, high)
    digits = int(math.pow(10, max(0, math.floor(high / math.log(10)) - 1)))
    return math.ceil(math.exp(high) / digits) * digits
