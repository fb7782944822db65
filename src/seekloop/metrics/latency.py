"""Latency percentiles and throughput."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

__all__ = ["per_second", "percentile", "percentile_interval"]


def percentile(values: Sequence[float], share: float, *, method: Literal["nearest_rank", "linear"] = "linear") -> float:
    """The value below which `share` (0 to 1) of `values` lie.

    nearest_rank: the ceil(share x n)-th smallest, always a value that was measured. linear: between the two values
    around position share x (n - 1), as numpy and spreadsheets do (Hyndman and Fan 1996, type 7).

    Raises:
        ValueError: no values, one that is no number, or a share outside 0 to 1.
    """
    if not values or not 0 <= share <= 1 or not all(map(math.isfinite, values)):
        raise ValueError(f"percentile {share} of {len(values)} values")
    if method == "linear":
        return float(np.quantile(np.asarray(values, dtype=np.float64), share))
    return float(sorted(values)[max(math.ceil(share * len(values)), 1) - 1])


def percentile_interval(values: Sequence[float], share: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a percentile that holds for any distribution: the order statistics whose ranks hold it.

    The number of values below the percentile is binomial(n, share); the ends are the values at its (1 - confidence) / 2
    and (1 + confidence) / 2 quantiles, the latter plus one (Conover 1999, 3.2). Too few values to bound it end at the
    smallest or largest.

    Raises:
        ValueError: as for `percentile`, or a bad confidence.
    """
    if not values or not 0 <= share <= 1 or not all(map(math.isfinite, values)) or not 0 < confidence < 1:
        raise ValueError(f"percentile {share} of {len(values)} values, confidence {confidence}")
    ordered, n = np.sort(np.asarray(values, dtype=np.float64)), len(values)
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n + 1)]
    inner = min(max(share, 1e-12), 1 - 1e-12)
    below = np.cumsum([math.exp(c + k * math.log(inner) + (n - k) * math.log1p(-inner)) for k, c in enumerate(logs)])
    low, high = (int(np.searchsorted(below, side)) for side in ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(ordered[max(low - 1, 0)]), float(ordered[min(high, n - 1)])


def per_second(count: float, seconds: float) -> float:
    """How many a second, for example tokens; 0 where no time was measured.

    Raises:
        ValueError: a count or a time below 0.
    """
    if count < 0 or seconds < 0:
        raise ValueError(f"{count} in {seconds} s")
    return count / seconds if seconds else 0.0
