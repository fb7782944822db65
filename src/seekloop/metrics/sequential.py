"""Comparisons that may be looked at after every answer: evidence that stays honest whenever one stops.

Evidence against a hypothesis is an e-process, told as its natural logarithm: while the hypothesis holds, the chance
that it *ever* exceeds ln(1 / alpha) is at most alpha (Ville 1939), however often it is looked at and whatever share of
the traffic each side is given on the way. Under each single law that the hypothesis allows there is a martingale, and
the smallest of these is the evidence. The martingales are mixtures (Robbins 1970, "Statistical methods related to the
law of the iterated logarithm") of two kinds: likelihoods averaged over Jeffreys' prior, as in universal inference
(Wasserman, Ramdas and Balakrishnan 2020, PNAS 117), and exponential tilts of the one difference that matters (Howard,
Ramdas, McAuliffe and Sekhon 2020, "Time-uniform Chernoff bounds via nonnegative supermartingales"). All are functions
of counts alone: the order in which they came in changes nothing. Values between 0 and 1 are taken like shares, which
both kinds allow (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from seekloop.metrics.significance import Interval

__all__ = ["Tally", "always_interval", "bin_of", "edge_ms", "evidence_below", "evidence_slower", "quantile_ms"]

_per_octave = 8
_first, _last = -32, 192
"""Bins of times: from 1/16 ms to 16,777 s, each 9 % wide."""
_halvings, _sections = 60, 36
_golden = (math.sqrt(5) - 1) / 2
_strengths = tuple(0.1 * 2**step for step in range(10))
"""From a difference of a point or so of a common share to one between nothing and everything."""


class Tally(NamedTuple):
    """Values from 0 to 1, added up; for a share, how many of how many."""

    total: float
    n: int

    @property
    def mean(self) -> float | None:
        """Their mean; None of nothing."""
        return self.total / self.n if self.n else None


def evidence_below(first: Tally, second: Tally, *, by: float = 0.0, share: float = 0.5) -> float:
    """ln of the evidence that the mean of `first` is lower than that of `second` by more than `by`.

    The hypothesis that it speaks against is mean(first) >= mean(second) - by; with `by` below 0, that `first` is
    higher by at least as much. With nothing counted it is at most 0.

    Args:
        first: of one side.
        second: of the other.
        by: between -1 and 1.
        share: part of the traffic that `first` is expected to have; the nearer, the sooner a difference is found. It
            holds whatever that turns out to be, as long as it was chosen before.

    Raises:
        ValueError: a tally is not 0 to n, or `by` or `share` is out of its range.
    """
    for tally in (first, second):
        if not 0 <= tally.total <= tally.n:
            raise ValueError(f"{tally.total} of {tally.n}")
    if not -1 < by < 1 or not 0 < share < 1:
        raise ValueError(f"by {by}, share {share}")
    # Of nothing, the mean may be what suits the hypothesis best.
    low = 1.0 if first.mean is None else first.mean
    high = 0.0 if second.mean is None else second.mean
    if low >= high - by:
        return _log_mixture(first) + _log_mixture(second) - _likely(first, low) - _likely(second, high) - math.log(2)
    tilts = [_Tilt.of(first, second, strength=strength, share=share) for strength in _strengths]
    likelihood = _log_mixture(first) + _log_mixture(second)

    def at(mean: float) -> float:
        """ln of the smallest martingale among the laws whose second mean is this."""
        tilted = _mean_exp([tilt.at(mean, (first, second), by=by) for tilt in tilts])
        return _mean_exp([tilted, likelihood - _likely(second, mean) - _likely(first, max(mean - by, low))])

    return _lowest(at, (max(0.0, by), min(1.0, 1.0 + by)))


def always_interval(tally: Tally, *, confidence: float = 0.95) -> Interval:
    """A confidence sequence for a mean: with probability `confidence` it holds the mean at all times at once.

    All p against which the evidence is below 1 / (1 - confidence); the prior-posterior-ratio sequence of Waudby-Smith
    and Ramdas (2020), "Confidence sequences for sampling without replacement", with Jeffreys' prior.

    Raises:
        ValueError: the tally is not 0 to n, or a bad confidence.
    """
    if not 0 <= tally.total <= tally.n or not 0 < confidence < 1:
        raise ValueError(f"{tally.total} of {tally.n}, confidence {confidence}")
    if tally.mean is None:
        return Interval(0.0, 1.0)
    least = _log_mixture(tally) + math.log(1 - confidence)

    def end(outer: float, inner: float) -> float:
        if _likely(tally, outer) > least:
            return outer
        for _ in range(_halvings):
            middle = (outer + inner) / 2
            outer, inner = (outer, middle) if _likely(tally, middle) > least else (middle, inner)
        return outer

    return Interval(end(0.0, tally.mean), end(1.0, tally.mean))


def bin_of(ms: float) -> int:
    """The bin of a time in milliseconds: the first whose upper edge, `edge_ms`, is not below it."""
    return _first if ms <= 0 else min(max(math.ceil(_per_octave * math.log2(ms) - 1e-9), _first), _last)


def edge_ms(number: int) -> float:
    """Upper edge of a bin in milliseconds: 2^(number / 8)."""
    return float(2.0 ** (number / _per_octave))


def quantile_ms(times: Mapping[int, int], quantile: float) -> float | None:
    """The edge at or below which `quantile` of the binned times lie; None of nothing."""
    left = quantile * sum(times.values())
    for number in sorted(times):
        left -= times[number]
        if left <= 1e-9:
            return edge_ms(number)
    return None


def evidence_slower(
    first: Mapping[int, int], second: Mapping[int, int], *, quantile: float, ratio: float = 1.0
) -> float:
    """ln of the evidence that a quantile of `first` is more than `ratio` times that of `second`.

    For every place x where the quantile of `second` may be, the evidence that it is not there is multiplied by the
    evidence that the quantile of `first` is beyond ratio x; the smallest product speaks against the hypothesis, since
    one of the places is the true one. It holds for any distribution of times (after Howard and Ramdas 2022, "Sequential
    estimation of quantiles with applications to A/B testing and best-arm identification"). The ratio is rounded up to
    whole bins, which are 9 % wide.

    Args:
        first: bin (`bin_of`) -> how many.
        second: the same of the other side.
        quantile: for example 0.95.
        ratio: above 0.

    Raises:
        ValueError: a quantile not between 0 and 1, or a ratio not above 0.
    """
    if not 0 < quantile < 1 or ratio <= 0:
        raise ValueError(f"quantile {quantile}, ratio {ratio}")
    if not first or not second:
        return 0.0
    shift = math.ceil(_per_octave * math.log2(ratio) - 1e-9)
    below_first, below_second = _Below(first), _Below(second)
    places = range(min(second) - 1, max(max(second) + 1, max(first) - shift) + 1)
    return min(_at(x, shift, below=(below_first, below_second), quantile=quantile) for x in places)


class _Below:
    """How many lie at or below each bin."""

    def __init__(self, times: Mapping[int, int]) -> None:
        self._numbers = sorted(times)
        self._counts: dict[int, int] = {}
        self.n = 0
        for number in range(self._numbers[0], self._numbers[-1] + 1):
            self.n += times.get(number, 0)
            self._counts[number] = self.n

    def at(self, number: int) -> Tally:
        """The share at or below a bin."""
        if number < self._numbers[0]:
            return Tally(0, self.n)
        return Tally(self._counts.get(number, self.n), self.n)


def _at(x: int, shift: int, *, below: tuple[_Below, _Below], quantile: float) -> float:
    """ln of the evidence against: the quantile of the second lies in bin x, and that of the first not beyond it."""
    first, second = below
    too_low, too_high = _against(second.at(x), quantile, least=True), _against(second.at(x - 1), quantile, least=False)
    return _mean_exp([too_low, too_high]) + _against(first.at(x + shift), quantile, least=True)


def _against(tally: Tally, share: float, *, least: bool) -> float:
    """ln of the evidence against: the mean is at least (else: at most) `share`."""
    mean = tally.total / tally.n
    holds = mean >= share if least else mean <= share
    return _log_mixture(tally) - _likely(tally, mean if holds else share)


def _log_mixture(tally: Tally) -> float:
    """ln of the likelihood, averaged over Jeffreys' prior Beta(1/2, 1/2)."""
    yes, no = tally.total + 0.5, tally.n - tally.total + 0.5
    return math.lgamma(yes) + math.lgamma(no) - math.lgamma(tally.n + 1) - math.log(math.pi)


def _likely(tally: Tally, p: float) -> float:
    return _times_log(tally.total, p) + _times_log(tally.n - tally.total, 1 - p)


def _times_log(count: float, p: float) -> float:
    if not count:
        return 0.0
    return count * math.log(p) if p > 0 else -math.inf


class _Tilt(NamedTuple):
    """exp(up x second's total - down x first's total), over what it is on average at most."""

    line: float
    """The exponent."""
    up: float
    """e^up - 1, for each of the second side's values."""
    down: float
    """e^-down - 1, for each of the first side's."""

    @classmethod
    def of(cls, first: Tally, second: Tally, *, strength: float, share: float) -> _Tilt:
        # Weighted so that what moves both means alike hardly moves it.
        up, down = strength * share, strength * (1 - share)
        return cls(up * second.total - down * first.total, math.expm1(up), math.expm1(-down))

    def at(self, mean: float, sides: tuple[Tally, Tally], *, by: float) -> float:
        """ln of it, where the means are `mean - by` and `mean`: E exp(a X) <= 1 + mean (e^a - 1) for X in 0 to 1."""
        first, second = sides
        return self.line - second.n * math.log1p(self.up * mean) - first.n * math.log1p(self.down * (mean - by))


def _mean_exp(logs: Sequence[float]) -> float:
    """ln of the mean of e^x."""
    top = max(logs)
    return top if math.isinf(top) else top + math.log(sum(math.exp(one - top) for one in logs) / len(logs))


def _lowest(function: Callable[[float], float], between: tuple[float, float]) -> float:
    """The smallest value of a function that falls and then rises, by golden sections."""
    low, high = between
    left, right = high - _golden * (high - low), low + _golden * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(_sections):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _golden * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _golden * (high - low)
            at_right = function(right)
    return min(at_left, at_right)
