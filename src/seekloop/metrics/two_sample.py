"""Whether two samples come from one population: shares of classes, numbers, and points of many dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.significance import Interval, wilson

__all__ = [
    "Tested",
    "chi_squared",
    "energy",
    "fisher_more",
    "kolmogorov_smirnov",
    "psi",
    "psi_by_chance",
    "share_difference",
    "unit_distances",
]

Floats = NDArray[np.float64]
_exact = 10_000
"""Most values of a sample for which the p-value of Kolmogorov and Smirnov is counted, not approximated."""
_least_expected = 5.0
_terms = 500


class Tested(NamedTuple):
    """A statistic, and how often chance alone makes one as large."""

    statistic: float
    p_value: float


def psi(before: Sequence[float] | Floats, after: Sequence[float] | Floats) -> float:
    """Population stability index of the counts of the same classes: sum of (q - p) ln(q / p), 0 for no change.

    Half a count is added to each class, so that one that is new or gone gives a number. Symmetric. Rules of thumb in
    the field call 0.1 a small change and 0.25 a large one, which is too strict for few rows: see `psi_by_chance`.

    Raises:
        ValueError: no class, or not as many classes on both sides.
    """
    one, two = (np.asarray(side, dtype=np.float64) for side in (before, after))
    if len(one) != len(two) or not len(one):
        raise ValueError(f"{len(one)} classes against {len(two)}")
    p, q = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (one, two))
    return float(((q - p) * np.log(q / p)).sum())


def psi_by_chance(classes: int, *, n: int, m: int) -> float:
    """What the index is on average where nothing changed: (classes - 1)(1/n + 1/m) (Yurdakul 2018)."""
    return (classes - 1) * (1 / n + 1 / m)


def kolmogorov_smirnov(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> Tested:
    """The largest distance of two empirical distributions, and its two-sided p-value.

    Up to 10,000 values a side the p-value is exact: of all orders in which the values can come, the share that goes as
    far apart (Hodges 1958; with ties it errs on the safe side). Beyond, Smirnov's series
    2 sum (-1)^(k-1) exp(-2 k^2 d^2 nm/(n+m)).

    Raises:
        ValueError: a side is empty.
    """
    one, two = (np.sort(np.asarray(side, dtype=np.float64)) for side in (first, second))
    n, m = len(one), len(two)
    if not n or not m:
        raise ValueError("an empty sample")
    every = np.concatenate((one, two))
    # In whole numbers: whether two distances are the same decides which orders count.
    apart = np.abs(m * np.searchsorted(one, every, "right") - n * np.searchsorted(two, every, "right")).max()
    common = math.gcd(n, m)
    distance = float(apart) / (n * m)
    if max(n, m) <= _exact:
        return Tested(distance, _orders_as_far(n, m, reach=int(apart) // common, steps=(m // common, n // common)))
    scaled = distance**2 * n * m / (n + m)
    series = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * scaled) for k in range(1, 101))
    return Tested(distance, min(1.0, max(0.0, series)) if scaled > 0.02 else 1.0)


def chi_squared(before: Sequence[float] | Floats, after: Sequence[float] | Floats) -> Tested:
    """Pearson's test that classes have the same shares on both sides (1900); no correction for continuity.

    The rarest classes are taken together until at least 5 of each are expected on either side, without which the
    distribution is not the one that is looked up. With one class left there is nothing to tell: p = 1.

    Raises:
        ValueError: not as many classes on both sides.
    """
    table = np.stack([np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)])
    table = _pooled(table[:, table.sum(axis=0) > 0])
    if table.shape[1] < 2:
        return Tested(0.0, 1.0)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return Tested(statistic, _upper_gamma((table.shape[1] - 1) / 2, statistic / 2))


def unit_distances(rows: Floats) -> Floats:
    """Euclidean distances of unit vectors, shape (n, n); 0 on the diagonal."""
    distances: Floats = np.sqrt(np.maximum(0.0, 2 - 2 * (rows @ rows.T)))
    np.fill_diagonal(distances, 0.0)
    return distances


def energy(distances: Floats, n: int, *, permutations: int = 999, seed: int) -> Tested:
    """Energy distance of the first n points from the others, and its permutation p-value (Szekely and Rizzo 2004).

    The statistic is 2 E|X - Y| - E|X - X'| - E|Y - Y'|, which is 0 only for equal distributions; it is the maximum mean
    discrepancy under the kernel of that distance. The p-value, (1 + as large ones) / (1 + permutations), is at or below
    alpha in at most a share alpha of cases where nothing changed, whatever the points are, if they are independent.

    Args:
        distances: shape (n + m, n + m), symmetric.
        n: points of the first sample.
        permutations: how many; 999 tell p-values from 0.001 on.
        seed: of the permutations.

    Raises:
        ValueError: a side is empty.
    """
    total = len(distances)
    if not 0 < n < total:
        raise ValueError(f"{n} of {total} points")
    sides = np.full(total, -1 / (total - n))
    sides[:n] = 1 / n
    seen = -float(sides @ distances @ sides)
    generator, as_large = np.random.default_rng(seed), 0
    for at in range(0, permutations, 256):
        shuffled = np.stack([generator.permutation(sides) for _ in range(min(256, permutations - at))], axis=1)
        values = -(shuffled * (distances @ shuffled)).sum(axis=0)
        as_large += int((values >= seen - 1e-12).sum())
    return Tested(max(0.0, seen), (1 + as_large) / (1 + permutations))


def fisher_more(first: tuple[int, int], second: tuple[int, int]) -> float:
    """One-sided exact p-value that the first side has a larger share of a kind by chance alone (Fisher 1934).

    Args:
        first: how many of the kind, of how many.
        second: the same of the other side.

    Raises:
        ValueError: more hits than rows.
    """
    (hits, n), (others, m) = first, second
    if not 0 <= hits <= n or not 0 <= others <= m:
        raise ValueError(f"{hits} of {n}, {others} of {m}")
    kind = hits + others
    whole = _log_choose(n + m, kind)
    tail = [_log_choose(n, k) + _log_choose(m, kind - k) - whole for k in range(hits, min(n, kind) + 1)]
    return min(1.0, sum(math.exp(one) for one in tail))


def share_difference(first: tuple[int, int], second: tuple[int, int], *, confidence: float = 0.95) -> Interval:
    """Interval of the difference of two independent shares, first less second, of (how many, of how many) each.

    Newcombe (1998), method 10: both Wilson intervals, joined by squares.

    Raises:
        ValueError: a side is empty, or holds more than there are.
    """
    one, two = wilson(*first, confidence=confidence), wilson(*second, confidence=confidence)
    p, q = first[0] / first[1], second[0] / second[1]
    low = p - q - math.hypot(p - one.low, two.high - q)
    return Interval(low, p - q + math.hypot(one.high - p, q - two.low))


def _orders_as_far(n: int, m: int, *, reach: int, steps: tuple[int, int]) -> float:
    """The share of the paths from (0, 0) to (n, m) that somewhere go `reach` apart or more."""
    if reach <= 0:
        return 1.0
    right, up = steps
    row, first, logs = np.ones(min(m, (reach - 1) // up) + 1), 0, 0.0
    for step in range(1, n + 1):
        # Inside: |step * right - place * up| < reach.
        low = max(0, -(-(step * right - reach + 1) // up))
        high = min(m, (step * right + reach - 1) // up)
        if low > high:
            return 1.0
        wide = np.zeros(high - low + 1)
        kept = row[max(0, low - first) :]
        wide[: len(kept)] = kept[: len(wide)]
        row, first = np.cumsum(wide), low
        largest = float(row[-1])
        if not largest:
            return 1.0
        row /= largest
        logs += math.log(largest)
    if first + len(row) - 1 < m:
        return 1.0
    inside = math.exp(logs + math.log(float(row[-1])) - _log_choose(n + m, n))
    return min(1.0, max(0.0, 1.0 - inside))


def _pooled(table: Floats) -> Floats:
    """The rarest classes taken together until enough of each are expected."""
    shares = table.sum(axis=1) / max(table.sum(), 1)
    order = np.argsort(table.sum(axis=0), kind="stable")
    table = table[:, order]
    while table.shape[1] > 1 and float(table[:, 0].sum() * shares.min()) < _least_expected:
        table = np.concatenate([table[:, :2].sum(axis=1, keepdims=True), table[:, 2:]], axis=1)
        table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    return table


def _log_choose(n: int, k: int) -> float:
    if not 0 <= k <= n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x), a > 0: by its series below a + 1, by its continued
    fraction above (Abramowitz and Stegun 1964, 6.5.29 and 6.5.31).
    """
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for k in range(1, _terms):
            term *= x / (a + k)
            total += term
        return max(0.0, 1 - front * total)
    tail = 0.0
    for k in range(_terms, 0, -1):
        tail = k * (k - a) / (x + 2 * k + 1 - a - tail)
    return min(1.0, front / (x + 1 - a - tail))
