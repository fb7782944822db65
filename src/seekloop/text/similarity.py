"""Near duplicates: character shingles, exact Jaccard similarity, and MinHash with banding to find the candidates.

Shingles are two characters where Chinese stands and three elsewhere, position by position, so that a Chinese sentence
with one character more is still 0.9 alike, and mixed text needs no decision. Candidates come from MinHash (Broder 1997)
with locality-sensitive banding (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4) and every one is
verified by its exact similarity. Everything is deterministic.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.text.normalize import key

__all__ = ["Fingerprint", "Match", "Seen", "bands_for", "jaccard", "minhash", "shingles", "similarity"]

Shingles = NDArray[np.uint64]
"""Sorted, unique 64-bit hashes of a text's shingles, shape (n,)."""

_permutations = 128
_missed_at_most = 0.002
_odd = np.uint64(0x9E3779B97F4A7C15)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads close values apart."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed


_multipliers = _mix(np.arange(1, _permutations + 1, dtype=np.uint64) * _odd) | np.uint64(1)
_offsets = _mix(np.arange(1, _permutations + 1, dtype=np.uint64) * _odd + _odd)


def shingles(text: str) -> Shingles:
    """The shingles of a text's key (`normalize.key`): case, width, punctuation and spacing do not count."""
    return _shingles_of_key(key(text))


def _shingles_of_key(folded: str) -> Shingles:
    codes = np.frombuffer(folded.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    wide: NDArray[np.bool_] = (codes >= 0x2E80) & ~((codes >= 0x1F000) & (codes < 0x20000))
    if len(codes) < 3:
        packed = np.array([sum(int(code) << 21 * place for place, code in enumerate(codes))], dtype=np.uint64)
        return _mix(packed[: len(codes)])
    pairs = codes[:-1] | (codes[1:] << np.uint64(21))
    packed = np.where(wide[:-2], pairs[:-1], pairs[:-1] | (codes[2:] << np.uint64(42)))
    if wide[-3] or wide[-2]:  # the last pair stands in no shingle yet
        packed = np.append(packed, pairs[-1])
    return np.unique(_mix(packed))


def jaccard(left: Shingles, right: Shingles) -> float:
    """Shared shingles over all shingles, 0 to 1; two empty sets are 0 alike."""
    shared = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - shared
    return shared / union if union else 0.0


def similarity(left: str, right: str) -> float:
    """How alike two texts are, 0 to 1: 1 for the same key, otherwise the Jaccard similarity of their shingles."""
    return 1.0 if key(left) == key(right) else jaccard(shingles(left), shingles(right))


def minhash(values: Shingles) -> NDArray[np.uint32]:
    """The signature of a set of shingles, shape (128,): the share of equal entries estimates the Jaccard similarity."""
    if len(values) == 0:
        return np.zeros(_permutations, dtype=np.uint32)
    hashed = values[None, :] * _multipliers[:, None] + _offsets[:, None]
    signature: NDArray[np.uint32] = (hashed.min(axis=1) >> np.uint64(32)).astype(np.uint32)
    return signature


def bands_for(threshold: float) -> int:
    """Rows a band such that a pair exactly `threshold` alike is missed with a chance of at most 0.002.

    A pair of similarity s becomes a candidate with chance 1 - (1 - s^r)^(128 / r); the largest such r is taken.
    """
    fitting = [r for r in (1, 2, 4, 8, 16) if (1 - threshold**r) ** (_permutations // r) <= _missed_at_most]
    return max(fitting, default=1)


@dataclass(frozen=True)
class Fingerprint:
    """All of a text that comparisons need, whatever its length."""

    key: bytes
    """Digest of the text's key: equal for exact duplicates."""
    shingles: Shingles
    signature: NDArray[np.uint32]

    @classmethod
    def of(cls, text: str) -> Fingerprint:
        """The fingerprint of `text`."""
        folded = key(text)
        values = _shingles_of_key(folded)
        return cls(hashlib.blake2b(folded.encode(), digest_size=16).digest(), values, minhash(values))


@dataclass(frozen=True)
class Match:
    """A text that was seen before."""

    id: str
    similarity: float
    exact: bool
    """Same key: only case, width, punctuation or spacing may differ."""


class Seen:
    """Texts seen so far, to find the twins of the next one.

    Args:
        threshold: the least similarity of a near duplicate, 0.3 to 1; None: only exact duplicates are found.
    """

    def __init__(self, threshold: float | None = 0.9) -> None:
        self.threshold = threshold
        self._rows = bands_for(threshold) if threshold is not None else 0
        self._exact: dict[bytes, str] = {}
        self._ids: list[str] = []
        self._sets: list[Shingles] = []
        self._buckets: defaultdict[int, list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._exact)

    def exact(self, mark: Fingerprint) -> Match | None:
        """The text seen with the same key."""
        found = self._exact.get(mark.key)
        return None if found is None else Match(found, 1.0, exact=True)

    def near(self, mark: Fingerprint) -> list[Match]:
        """Every text seen that is at least `threshold` like this one, the most similar first."""
        if self.threshold is None or not self._ids:
            return []
        matches = []
        for index in sorted({i for band in self._bands(mark) for i in self._buckets.get(band, ())}):
            sizes = sorted((len(mark.shingles), len(self._sets[index])))
            if sizes[0] >= self.threshold * sizes[1]:
                alike = jaccard(mark.shingles, self._sets[index])
                if alike >= self.threshold:
                    matches.append(Match(self._ids[index], alike, exact=False))
        return sorted(matches, key=lambda match: -match.similarity)

    def find(self, mark: Fingerprint) -> Match | None:
        """The exact twin, or else the nearest."""
        return self.exact(mark) or next(iter(self.near(mark)), None)

    def add(self, identity: str, mark: Fingerprint) -> None:
        """Remember a text under `identity`; of texts with the same key, the first stays."""
        if mark.key in self._exact:
            return
        self._exact[mark.key] = identity
        if self.threshold is not None:
            for band in self._bands(mark):
                self._buckets[band].append(len(self._ids))
            self._ids.append(identity)
            self._sets.append(mark.shingles)

    def _bands(self, mark: Fingerprint) -> list[int]:
        """A 64-bit hash of each band of the signature and its number."""
        bands = mark.signature.reshape(-1, self._rows).astype(np.uint64)
        mixed = np.arange(1, len(bands) + 1, dtype=np.uint64)
        for column in bands.T:
            mixed = _mix(mixed * _odd + column)
        hashes: list[int] = mixed.tolist()
        return hashes
