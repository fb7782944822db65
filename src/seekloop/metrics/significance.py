"""How sure a figure is: intervals, paired comparisons, non-inferiority.

Shares get score intervals (Wilson for one, Tango for the difference of two on the same rows), which stay honest where
all rows agree; everything else gets a percentile bootstrap over rows. All intervals are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Interval",
    "Statistic",
    "bootstrap",
    "bootstrap_mean",
    "bootstrap_p_value",
    "bootstrap_values",
    "draws",
    "mcnemar",
    "non_inferior",
    "paired_share_difference",
    "percentiles",
    "wilson",
]

Weights = NDArray[np.float64]
Statistic = Callable[[Weights], NDArray[np.float64]]
"""Row weights of shape (resamples, n), how often each row was drawn -> one value a resample, shape (resamples,)."""

_block = 2_000_000  # weights held at once: 16 MB


class Interval(NamedTuple):
    """The two ends of an interval."""

    low: float
    high: float


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Score interval of a share: never empty, never outside 0 to 1, good for small n and shares near 0 or 1.

    Wilson (1927): centre (p + z^2/2n) / (1 + z^2/n), half-width z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n).

    Raises:
        ValueError: n is 0, or successes are not 0 to n.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n}")
    z, share = _z(confidence), successes / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def paired_share_difference(won: float, lost: float, *, n: float, confidence: float = 0.95) -> Interval:
    """Score interval of (won - lost) / n: the difference of two shares measured on the same n rows.

    Tango (1998), "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design": the differences d for which |won - lost - n d| / sqrt(n (2q + d(1 - d))) <= z, with q the share of lost
    rows that is most likely under d. Unlike a bootstrap it does not shrink to nothing when no row differs.

    Args:
        won: rows that the first got right and the second wrong.
        lost: rows that the second got right and the first wrong.
        n: rows that both answered. Counts need not be whole: those of grouped rows are divided by their design effect.
        confidence: of the two-sided interval.

    Raises:
        ValueError: n is 0, or won + lost is more than n.
    """
    if min(won, lost) < 0 or n <= 0 or won + lost > n * (1 + 1e-12):
        raise ValueError(f"{won} won and {lost} lost of {n}")
    z, seen = _z(confidence), (won - lost) / n
    low = _crossing(lambda d: _tango(won, lost, n=n, difference=d) <= z, (-1.0, seen))
    high = _crossing(lambda d: _tango(won, lost, n=n, difference=d) < -z, (seen, 1.0))
    return Interval(low, high)


def mcnemar(won: int, lost: int) -> float:
    """Exact two-sided p-value that two shares on the same rows are equal (McNemar 1947, in its binomial form).

    p = min(1, 2 P(X <= min(won, lost))), X ~ Binomial(won + lost, 1/2); 1 where no row differs.

    Raises:
        ValueError: a count below 0.
    """
    if min(won, lost) < 0:
        raise ValueError(f"{won} won, {lost} lost")
    n = won + lost
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1))
    return min(1.0, float(2 * tail / 2**n))


def bootstrap_values(statistic: Statistic, n: int, *, resamples: int, seed: int) -> NDArray[np.float64]:
    """`statistic` of `resamples` draws of n rows with replacement (Efron 1979), shape (resamples,).

    Two statistics called with the same n, resamples and seed see the same draws, so their values pair up.
    """
    return np.concatenate([statistic(weights) for weights in draws(n, resamples=resamples, seed=seed)])


def bootstrap(statistic: Statistic, n: int, *, resamples: int = 2000, seed: int, confidence: float = 0.95) -> Interval:
    """Percentile interval of any statistic over n rows.

    It is too narrow for few rows (about 90 % coverage at n = 10) and empty where all rows are equal: judge it by n.

    Raises:
        ValueError: n is 0, or the statistic has no value in any resample.
    """
    return percentiles(bootstrap_values(statistic, n, resamples=resamples, seed=seed), confidence=confidence)


def bootstrap_mean(
    values: Sequence[float] | NDArray[np.float64], *, resamples: int = 2000, seed: int, confidence: float = 0.95
) -> Interval:
    """Percentile interval of the mean of `values`; for a paired difference, give the differences row by row.

    Raises:
        ValueError: no values, or one that is no number.
    """
    column = np.asarray(values, dtype=np.float64)
    if not np.isfinite(column).all():
        raise ValueError("a value is not a number")
    return bootstrap(
        lambda weights: weights @ column / len(column),
        len(column),
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )


def percentiles(drawn: NDArray[np.float64], *, confidence: float = 0.95) -> Interval:
    """The middle `confidence` of bootstrapped values; NaN (a resample without a meaning) is left out.

    Raises:
        ValueError: no value is left.
    """
    known = drawn[np.isfinite(drawn)]
    if not 0 < confidence < 1 or not len(known):
        raise ValueError(f"{len(known)} values, confidence {confidence}")
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def bootstrap_p_value(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of "no difference", from bootstrapped differences: twice the share beyond 0, at most 1.

    p = min(1, 2 min(#(d <= 0) + 1, #(d >= 0) + 1) / (resamples + 1)); never 0 (Davison and Hinkley 1997, 4.2).
    """
    known = differences[np.isfinite(differences)]
    beyond = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(known) + 1))


def non_inferior(interval: tuple[float, float], margin: float) -> Literal["yes", "no", "inconclusive"]:
    """Whether a difference (new minus old, higher is better) is worse than `margin`, by its interval.

    yes: the whole interval lies above -margin. no: the whole interval lies below it. Anything else is inconclusive:
    more rows are needed. With a 95 % interval, "yes" is wrong in about 2.5 % of cases.

    Raises:
        ValueError: the margin is below 0, or an end is not a number.
    """
    if margin < 0 or not all(map(math.isfinite, interval)):
        raise ValueError(f"margin {margin}, interval {interval}")
    low, high = interval
    if low >= -margin:
        return "yes"
    return "no" if high < -margin else "inconclusive"


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _tango(won: float, lost: float, *, n: float, difference: float) -> float:
    """Tango's score statistic at an assumed difference: falls as the difference grows."""
    a, b = 2 * n, (2 * n - won + lost) * difference - won - lost
    c = -lost * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * q + difference * (1 - difference))
    top = won - lost - n * difference
    if variance > 0:
        return top / math.sqrt(variance)
    return math.copysign(math.inf, top) if top else 0.0


def _crossing(holds: Callable[[float], bool], between: tuple[float, float]) -> float:
    """The point of a bracket from which `holds`, by bisection down to adjacent floats (at most 60 halvings)."""
    low, high = between
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def draws(n: int, *, resamples: int, seed: int) -> Iterator[Weights]:
    """How often each of n rows is drawn in each resample, in blocks of shape (some, n) that fit in 16 MB.

    Raises:
        ValueError: no rows or no resamples.
    """
    if n < 1 or resamples < 1:
        raise ValueError(f"{resamples} resamples of {n} rows")
    random, size = np.random.default_rng(seed), max(1, _block // n)
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        drawn = random.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)
