"""How far raters agree beyond chance: Cohen's and Fleiss' kappa, Krippendorff's alpha, with intervals over units.

Every statistic is a function of unit weights, so that the bootstrap draws whole units, and comes with a plain number
where all weights are 1. Values are coded 0 to V - 1; a table of counts has one row a unit and one column a value, and
says how many raters gave the unit that value. A statistic that has no meaning (nobody could have disagreed) is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.significance import Interval, Statistic, bootstrap_values, percentiles

__all__ = [
    "Counts",
    "Distance",
    "Measured",
    "Scale",
    "cohen_kappa",
    "counts_of",
    "distances",
    "fleiss_kappa",
    "krippendorff_alpha",
    "measured",
    "ordinal_alpha",
    "set_distances",
    "specific_agreement",
]

Counts = NDArray[np.float64]
"""Shape (units, V): how many raters gave each unit each value."""
Distance = NDArray[np.float64]
"""Shape (V, V): how far two values are apart, 0 on the diagonal."""
Scale = Literal["nominal", "linear", "quadratic"]


class Measured(NamedTuple):
    """A statistic with its 95 % interval."""

    value: float
    """NaN: it has no meaning for these ratings."""
    ci: Interval | None
    n: int
    """Units."""


def measured(statistic: Statistic, n: int, *, seed: int, resamples: int = 2000) -> Measured:
    """The statistic over n units, and the percentile bootstrap over them (none where it has no meaning).

    A resample in which it has none is left out, so read the interval of few units with care.

    Raises:
        ValueError: n is 0.
    """
    if n < 1:
        raise ValueError("no units")
    value = float(statistic(np.ones((1, n)))[0])
    drawn = bootstrap_values(statistic, n, resamples=resamples, seed=seed)
    known = np.isfinite(value) and bool(np.isfinite(drawn).any())
    return Measured(value, percentiles(drawn) if known else None, n)


def counts_of(ratings: NDArray[np.int64], *, values: int) -> Counts:
    """The table of counts of ratings of shape (units, raters); -1 is a missing rating."""
    rows, columns = np.nonzero(ratings >= 0)
    table = np.zeros((len(ratings), values))
    np.add.at(table, (rows, ratings[rows, columns]), 1)
    return table


def distances(values: int | Sequence[float], scale: Scale) -> Distance:
    """How far values are apart: 1 for different ones (nominal), their difference (linear) or its square (quadratic).

    Args:
        values: their number, then their codes are what is compared; or the values themselves.
        scale: quadratic is Krippendorff's interval metric.
    """
    at = np.arange(values, dtype=np.float64) if isinstance(values, int) else np.asarray(values, dtype=np.float64)
    apart = np.abs(at[:, None] - at[None, :])
    if scale == "nominal":
        return (apart > 0).astype(np.float64)
    return apart if scale == "linear" else apart**2


def set_distances(sets: Sequence[frozenset[str]], *, masi: bool) -> Distance:
    """How far sets of labels are apart: Jaccard's distance 1 - |A n B| / |A u B|, or MASI.

    MASI (Passonneau 2006, "Measuring agreement on set-valued items (MASI) for semantic and pragmatic annotation") is
    1 - J M with M = 1 for equal sets, 2/3 where one is in the other, 1/3 where they overlap, 0 where they do not.
    Two empty sets are equal.
    """
    result = np.zeros((len(sets), len(sets)))
    for i, left in enumerate(sets):
        for j in range(i):
            right = sets[j]
            shared = len(left & right)
            alike = shared / len(left | right) if left or right else 1.0
            if masi:
                alike *= 1.0 if left == right else (2 / 3 if left <= right or right <= left else 1 / 3)
            result[i, j] = result[j, i] = 1 - alike
    return result


def cohen_kappa(left: NDArray[np.int64], right: NDArray[np.int64], *, distance: Distance) -> Statistic:
    """Cohen's kappa of two raters: 1 - observed / expected disagreement, each pair weighted by its distance.

    Cohen (1960) with the nominal distance; Cohen (1968), "Weighted kappa", with the linear or quadratic one. Expected
    is what the two raters' own shares of each value give.

    Args:
        left: codes of shape (units,), none missing.
        right: the other rater's.
        distance: between the values.
    """
    observed = distance[left, right]
    codes = np.arange(len(distance))
    first, second = ((rater[:, None] == codes).astype(np.float64) for rater in (left, right))

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        total = weights.sum(axis=1)
        expected = np.einsum("rv,vw,rw->r", weights @ first, distance, weights @ second) / total**2
        return _beyond_chance(weights @ observed / total, expected)

    return statistic


def fleiss_kappa(counts: Counts) -> Statistic:
    """Fleiss' kappa (1971), "Measuring nominal scale agreement among many raters": as many ratings for every unit.

    Agreement within unit i is (sum_j n_ij^2 - m) / (m (m - 1)), by chance sum_j p_j^2.

    Raises:
        ValueError: units have different numbers of ratings, or fewer than two.
    """
    raters = counts.sum(axis=1)
    m = float(raters[0]) if len(raters) else 0.0
    if m < 2 or not (raters == m).all():
        raise ValueError("every unit needs the same number of ratings, two at least")
    within = ((counts**2).sum(axis=1) - m) / (m * (m - 1))

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        total = weights.sum(axis=1)
        shares = weights @ counts / (total * m)[:, None]
        return _beyond_chance(1 - weights @ within / total, 1 - (shares**2).sum(axis=1))

    return statistic


def krippendorff_alpha(counts: Counts, *, distance: Distance) -> Statistic:
    """Krippendorff's alpha, 1 - D_o / D_e, for any number of raters and missing ratings.

    Krippendorff (2011), "Computing Krippendorff's alpha-reliability": units with one rating count for nothing;
    D_o = sum over units of the distances of their pairs / (m_u - 1), over all n pairable values; D_e = that of all
    pairs of values, over n (n - 1). `distances(..., "quadratic")` of the values is its interval metric.
    """
    pairable, m = _pairable(counts)
    within = ((pairable @ distance) * pairable).sum(axis=1) / np.maximum(m - 1, 1)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = weights @ pairable
        n = totals.sum(axis=1)
        expected = ((totals @ distance) * totals).sum(axis=1)
        return _beyond_chance(_ratio(weights @ within, n), _ratio(expected, n * (n - 1)))

    return statistic


def ordinal_alpha(counts: Counts) -> Statistic:
    """Krippendorff's alpha for values in order: two are as far apart as there are ratings between them.

    The metric is (n_c / 2 + n of all values between + n_k / 2)^2 and depends on the ratings, so on each resample.
    """
    pairable, m = _pairable(counts)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = weights @ pairable
        middles = np.cumsum(totals, axis=1) - totals / 2
        values = []
        for weight, total, middle in zip(weights, totals, middles, strict=True):
            distance = (middle[:, None] - middle[None, :]) ** 2
            share = weight / np.maximum(m - 1, 1)
            together = pairable.T @ (pairable * share[:, None])
            n = total.sum()
            observed, expected = (together * distance).sum(), total @ distance @ total
            values.append(_beyond_chance(_ratio(observed, n), _ratio(expected, n * (n - 1))))
        return np.array(values, dtype=np.float64).reshape(len(weights))

    return statistic


def specific_agreement(counts: Counts) -> NDArray[np.float64]:
    """Of two raters of a unit, how often the second gives the value that the first gave; shape (V,), NaN if unused.

    Specific agreement (Cicchetti and Feinstein 1990, "High agreement but low kappa"; for many raters Uebersax's form):
    sum_u n_uv (n_uv - 1) / sum_u n_uv (m_u - 1).
    """
    pairable, m = _pairable(counts)
    return _ratio((pairable * (pairable - 1)).sum(axis=0), (pairable * (m[:, None] - 1)).sum(axis=0))


def _pairable(counts: Counts) -> tuple[Counts, NDArray[np.float64]]:
    """The counts with units of one rating emptied, and the ratings of each unit."""
    m = counts.sum(axis=1)
    pairable = np.where(m[:, None] >= 2, counts, 0.0)
    return pairable, pairable.sum(axis=1)


def _beyond_chance(observed: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - _ratio(observed, expected)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    share: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return share
