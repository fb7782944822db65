"""How one set of numbers follows another: Spearman's rank correlation, and the maps that make one out of the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.significance import Statistic

__all__ = ["Line", "Steps", "isotonic", "line", "spearman"]

Floats = NDArray[np.float64]


class Line(NamedTuple):
    """y = slope * x + offset."""

    slope: float
    offset: float

    def __call__(self, x: Floats) -> Floats:
        """The line at `x`, same shape."""
        return self.slope * np.asarray(x, dtype=np.float64) + self.offset


class Steps(NamedTuple):
    """A map that never falls: linear between `at`, constant beyond them."""

    at: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, x: Floats) -> Floats:
        """The map at `x`, same shape."""
        found: Floats = np.interp(np.asarray(x, dtype=np.float64), self.at, self.values)
        return found


def spearman(left: Floats, right: Floats) -> Statistic:
    """Spearman's rank correlation of two columns of shape (n,), ties given their middle rank.

    Spearman (1904), as the product-moment correlation of ranks; under weights a row counts as often as it was drawn.
    """
    sides = [np.unique(np.asarray(side, dtype=np.float64), return_inverse=True) for side in (left, right)]

    def statistic(weights: Floats) -> Floats:
        first, second = (_ranks(codes, len(values), weights=weights) for values, codes in sides)
        n = weights.sum(axis=1, keepdims=True)
        first = first - (weights * first).sum(axis=1, keepdims=True) / n
        second = second - (weights * second).sum(axis=1, keepdims=True) / n
        top: Floats = (weights * first * second).sum(axis=1)
        below = np.sqrt((weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1))
        found: Floats = np.divide(top, below, out=np.full(len(weights), np.nan), where=below > 1e-12)
        return found

    return statistic


def line(x: Floats, y: Floats) -> Line:
    """Least squares; where all x are equal, the mean of y.

    Raises:
        ValueError: no rows.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not len(x):
        raise ValueError("no rows")
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 0 else 0.0
    return Line(slope, float(y.mean() - slope * x.mean()))


def isotonic(x: Floats, y: Floats) -> Steps:
    """The map that never falls and is nearest to y in least squares: pool adjacent violators (Ayer et al. 1955).

    Raises:
        ValueError: no rows.
    """
    places, codes = np.unique(np.asarray(x, dtype=np.float64), return_inverse=True)
    if not len(places):
        raise ValueError("no rows")
    counts = np.bincount(codes).astype(np.float64)
    means = np.bincount(codes, weights=np.asarray(y, dtype=np.float64)) / counts
    pools: list[tuple[float, float, int]] = []
    for mean, count in zip(means, counts, strict=True):
        value, weight, width = float(mean), float(count), 1
        while pools and pools[-1][0] > value:
            before, others, wide = pools.pop()
            value = (before * others + value * weight) / (others + weight)
            weight, width = weight + others, width + wide
        pools.append((value, weight, width))
    values = [value for value, _, width in pools for _ in range(width)]
    return Steps(tuple(float(one) for one in places), tuple(values))


def _ranks(codes: NDArray[np.int64], values: int, *, weights: Floats) -> Floats:
    """Middle ranks of each row under each set of weights; shape of `weights`."""
    totals = weights @ (codes[:, None] == np.arange(values)).astype(np.float64)
    middles = np.cumsum(totals, axis=1) - totals / 2
    ranks: Floats = middles[:, codes]
    return ranks
