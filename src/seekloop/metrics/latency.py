"""Latency percentiles and throughput."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

__all__ = ["per_second", "percentile"]


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


def per_second(count: float, seconds: float) -> float:
    """How many a second, for example tokens; 0 where no time was measured.

    Raises:
        ValueError: a count or a time below 0.
    """
    if count < 0 or seconds < 0:
        raise ValueError(f"{count} in {seconds} s")
    return count / seconds if seconds else 0.0
