"""The green-list watermark (Kirchenbauer et al. 2023, "A Watermark for Large Language Models"), and its detector.

After each token a share gamma of the vocabulary is green, by a hash of that token, the candidate and a secret. While
answers are drawn, green logits are raised by delta; who knows the secret counts green tokens. Without a mark a share
gamma of them is green, so with T different pairs of tokens the count's
z = (green - gamma T) / sqrt(T gamma (1 - gamma))
is nearly standard normal. Pairs are counted once: text that repeats itself would count one coin toss many times.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Found", "GreenList", "detect"]

_odd = np.uint64(0x9E3779B97F4A7C15)
_mask = (1 << 64) - 1
_exact = 20_000


@dataclass(frozen=True)
class GreenList:
    """Which tokens are raised, and by how much."""

    secret: int
    """64 random bits."""
    gamma: float = 0.25
    delta: float = 2.0

    def green(self, before: int | NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of `ids` is green after `before`, which is one id or as many."""
        # Arrays wrap around as hashes want it; numpy's scalars would warn.
        pair = np.atleast_1d(np.asarray(before)).astype(np.uint64) * _odd + np.uint64(self.secret & _mask)
        mixed = _mix(_mix(pair) ^ (ids.astype(np.uint64) + np.uint64(1)) * _odd)
        return mixed < np.uint64(min(_mask, int(self.gamma * 2**64)))


@dataclass(frozen=True)
class Found:
    """How much of a watermark is in texts."""

    pairs: int
    """Different pairs of tokens that follow each other."""
    green: int
    z: float
    p: float
    """Chance of at least this many without the mark: the binomial's tail, which short texts need; the normal's for
    long ones."""


def detect(texts: Sequence[Sequence[int]], mark: GreenList) -> Found:
    """Look for a mark in texts, together; pairs are counted once over all of them."""
    pairs = sorted({pair for ids in texts for pair in itertools.pairwise(ids)})
    if not pairs:
        return Found(0, 0, 0.0, 1.0)
    table = np.array(pairs, dtype=np.int64)
    green = int(mark.green(table[:, 0], table[:, 1]).sum())
    count = len(pairs)
    z = (green - mark.gamma * count) / math.sqrt(count * mark.gamma * (1 - mark.gamma))
    return Found(count, green, z, _tail(green, count, share=mark.gamma))


def _tail(green: int, count: int, *, share: float) -> float:
    """Chance that `green` or more of `count` fall into a share."""
    if count > _exact:
        z = (green - share * count) / math.sqrt(count * share * (1 - share))
        return 0.5 * math.erfc(z / math.sqrt(2))
    ways = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(green, count + 1)]
    hits, misses = math.log(share), math.log1p(-share)
    terms = [math.exp(way + k * hits + (count - k) * misses) for k, way in enumerate(ways, start=green)]
    return min(1.0, math.fsum(terms))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed
