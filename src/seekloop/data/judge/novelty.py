"""How unlike the rest of its corpus a text is: which of its runs of characters and words other rows have.

A text is compared with counts that leave its own fold out, so that a row is not known by itself. Memory is the counts.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.data.unseen import FOLDS, fold_of
from seekloop.text.normalize import tidy
from seekloop.text.segment import tokens

__all__ = ["FEATURES", "Novelty"]

_places = 1 << 18
_orders = (2, 3, 4, 5)
_most = 2_000
_odd = np.uint64(0x9E3779B97F4A7C15)
_mixer = np.uint64(0xBF58476D1CE4E5B9)

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Units:
    """The places of a text's units, in the order in which they stand."""

    runs: tuple[Places, ...]
    """Of characters, by order."""
    words: Places
    pairs: Places
    """Of words that follow each other."""

    @property
    def all(self) -> Places:
        """Each place once."""
        return np.unique(np.concatenate([*self.runs, self.words, self.pairs]))


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Rows of a corpus by the units in them."""

    counts: NDArray[np.float32]
    """Rows with a unit by fold and place, shape (folds + 1, places); the last is the sum of all folds."""
    rows: NDArray[np.int64]
    """Rows, shape (folds + 1,)."""

    @classmethod
    def of(cls, texts: Iterable[tuple[str, str]]) -> Novelty:
        """Count pairs of a key, which decides the fold, and a text."""
        counts = np.zeros((FOLDS + 1, _places), dtype=np.float32)
        rows = np.zeros(FOLDS + 1, dtype=np.int64)
        for name, text in texts:
            fold = fold_of(name)
            counts[fold, _units(text).all] += 1
            rows[fold] += 1
        counts[FOLDS], rows[FOLDS] = counts[:FOLDS].sum(axis=0), rows[:FOLDS].sum()
        return cls(counts=counts, rows=rows)

    def features(self, text: str, *, key: str) -> Floats:
        """What the other folds' rows say of a text, shape (FEATURES,); about 0 to 1 each, the more the stranger."""
        fold, units = fold_of(key), _units(text)
        whole = np.log1p(max(1.0, float(self.rows[FOLDS] - self.rows[fold])))
        known = [self._known(places, fold) for places in (*units.runs, units.words, units.pairs)]
        found: list[float] = []
        for counts in known:
            found += [_mean(counts == 0), 1 - _mean(np.log1p(counts)) / whole]
        threes, fours = known[1], known[2]
        found.append(_mean(_surprise(fours, threes[: len(fours)])))
        words, pairs = known[-2], known[-1]
        found.append(_mean(_surprise(pairs[1:], words)))
        found.append(_mean(np.sort(np.log1p(words))[: max(1, len(words) // 3)] == 0))
        found += [_edge(fours[:1], whole), _edge(fours[-1:], whole)]
        return np.concatenate([found, *(_parts(counts, whole) for counts in known[1:])])

    def _known(self, places: Places, fold: int) -> Floats:
        """In how many rows of the other folds each unit stands."""
        return np.asarray(self.counts[FOLDS, places] - self.counts[fold, places], dtype=np.float64)


FEATURES = 2 * (len(_orders) + 2) + 5 + 5 * (len(_orders) + 1)


def _surprise(whole: Floats, part: Floats) -> Floats:
    """How seldom the longer unit follows the shorter one, 0 to 1."""
    return 1 - np.minimum(1.0, (whole + 0.05) / (part + 0.5))


def _parts(counts: Floats, whole: float) -> Floats:
    """Shares of the units that no, few, …, most rows have, shape (5,)."""
    bounds = np.array([1e-9, 0.2, 0.4, 0.6])
    places = np.searchsorted(bounds, np.log1p(counts) / whole)
    return np.bincount(places, minlength=5) / max(1, len(counts))


def _edge(counts: Floats, whole: float) -> float:
    return 1 - _mean(np.log1p(counts)) / whole


def _mean(values: Floats | NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else 1.0


def _units(text: str) -> _Units:
    text = tidy(text)[:_most].lower()
    words = tokens(text)
    return _Units(
        runs=tuple(_runs(text)), words=_hashed("word", words), pairs=_hashed("pair", list(map(" ".join, _pairs(words))))
    )


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    edged = ["\x02", *words, "\x03"]
    return itertools.pairwise(edged)


def _hashed(kind: str, units: Sequence[str]) -> Places:
    return np.array([zlib.crc32(f"{kind}\x1f{unit}".encode()) % _places for unit in units], dtype=np.int64)


def _runs(text: str) -> Iterator[Places]:
    """Places of the runs of 2, 3, 4 and 5 characters, in order, the ends of the text among them."""
    codes = np.frombuffer(f"\x02{text}\x03".encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    for order in _orders:
        n = max(len(codes) - order + 1, 1)
        rolled = np.full(n, np.uint64(order))
        for place in range(min(order, len(codes))):
            rolled = (rolled ^ codes[place : place + n]) * _odd
        mixed = (rolled ^ (rolled >> np.uint64(29))) * _mixer
        yield (mixed >> np.uint64(64 - 18)).astype(np.int64)
