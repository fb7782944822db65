"""Every pair of texts that may be alike: a sweep over lengths and sketches that leaves no pair out.

Texts of about one length stand on a shelf. A sketch has a bit for each shingle of a text, by its hash, so two sketches
differ in at most as many bits as the two sets of shingles differ in shingles (the bitmap filter of Sandes, Teodoro and
de Melo 2020). Two sets whose Dice similarity is at least d differ in at most (1 - d) (|a| + |b|) shingles; a pair
whose sketches differ in more cannot be alike, and neither can one whose lengths are too far apart. Nothing is drawn and
nothing is learnt, so what is left holds every pair that is alike, whatever the texts are.

A sketch is kept in two widths: nearly all pairs fall by the narrow one, which is the wide one folded three times over.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seekloop.text.kept import Column
from seekloop.text.shingles import Prints, spans

__all__ = ["Sweep"]

Numbers = NDArray[np.int64]
_Words = NDArray[np.uint64]

_ratio = math.log(1.06)
"""How much longer the texts of the next shelf are."""
_bits = 1.8
"""Bits of the narrow sketch for each shingle of the longest text of a shelf."""
_folds = 4
"""How much wider the wide sketch is."""
_rows, _columns = 128, 512
"""Texts that are compared at once, so that they stay in the cache."""
_flags = 1 << 22
"""Flags that are packed at once."""
_spread = np.uint32(0x9E3779B1)


class _Shelf:
    """Sketches of texts of about one length."""

    def __init__(self, place: int) -> None:
        self.words = max(2, math.ceil(_bits * math.exp((place + 1) * _ratio) / 64))
        self.numbers: Column[np.int64] = Column(np.int64)
        self.lengths: Column[np.int64] = Column(np.int64)
        self.sizes: Column[np.int64] = Column(np.int64)
        self.narrow: Column[np.uint64] = Column(np.uint64, self.words)
        self.wide: Column[np.uint64] = Column(np.uint64, self.words * _folds)

    def add(self, some: _Some, numbers: Numbers) -> None:
        wide, narrow = some.sketches(self.words)
        self.numbers.extend(numbers)
        self.lengths.extend(some.lengths)
        self.sizes.extend(some.sizes)
        self.wide.extend(wide)
        self.narrow.extend(narrow)


@dataclass(frozen=True)
class _Some:
    """Texts of about one length, some of a batch."""

    batch: Prints
    places: Numbers

    @property
    def lengths(self) -> Numbers:
        return self.batch.lengths[self.places].astype(np.int64)

    @property
    def sizes(self) -> Numbers:
        """Shingles, those that recur counted again: never fewer than there are in the set."""
        starts = self.batch.starts
        result: Numbers = starts[self.places + 1] - starts[self.places]
        return result

    def sketches(self, words: int) -> tuple[_Words, _Words]:
        """The wide and the narrow sketches, shapes (texts, 4 words) and (texts, words)."""
        width = words * _folds
        wide = np.zeros((len(self.places), width), dtype=np.uint64)
        step = max(1, _flags // (width * 64))
        for at in range(0, len(self.places), step):
            places = self.places[at : at + step]
            hashes = (self.batch.shingles[spans(self.batch.starts, places)] * _spread).astype(np.uint64)
            flags = np.zeros((len(places), width * 64), dtype=bool)
            rows = np.repeat(np.arange(len(places)), self.sizes[at : at + step])
            flags[rows, (hashes * np.uint64(width * 64)) >> np.uint64(32)] = True
            wide[at : at + step] = np.packbits(flags, axis=1).view(np.uint64)
        return wide, np.bitwise_or.reduce(wide.reshape(len(wide), _folds, words), axis=1)


class Sweep:
    """Sketches of texts by number, and which of them may be like those of a batch.

    Args:
        similarity: the least ratio of the lengths of two texts that are alike.
        dice: the least Dice similarity of their sets of shingles; 0: any.
    """

    def __init__(self, *, similarity: float, dice: float) -> None:
        self._similarity = similarity - 1e-9
        self._apart = 1 - dice + 1e-9
        self._shelves: dict[int, _Shelf] = {}

    def add(self, batch: Prints, numbers: Numbers) -> None:
        """Keep a batch under these numbers."""
        for place, some in _by_length(batch):
            if place not in self._shelves:
                self._shelves[place] = _Shelf(place)
            self._shelves[place].add(some, numbers[some.places])

    def meet(self, batch: Prints) -> Iterator[tuple[Numbers, Numbers]]:
        """Places in the batch and numbers of all pairs that may be alike, each once, some at a time."""
        for _, some in _by_length(batch):
            shortest, longest = int(some.lengths.min()), int(some.lengths.max())
            known: dict[int, tuple[_Words, _Words]] = {}
            for shelf in self._near(shortest, longest):
                if shelf.words not in known:
                    known[shelf.words] = some.sketches(shelf.words)
                yield from self._met(some, shelf, sketches=known[shelf.words])

    def _near(self, shortest: int, longest: int) -> Iterator[_Shelf]:
        """Shelves that hold texts of a length that fits."""
        first, last = _shelf_of(self._similarity * shortest - 1), _shelf_of(longest / self._similarity + 1)
        yield from (self._shelves[place] for place in range(first, last + 1) if place in self._shelves)

    def _met(self, some: _Some, shelf: _Shelf, *, sketches: tuple[_Words, _Words]) -> Iterator[tuple[Numbers, Numbers]]:
        wide, narrow = sketches
        sizes, lengths, old_sizes = some.sizes, some.lengths, shelf.sizes.values
        for at in range(0, len(old_sizes), _columns):
            here = slice(at, at + _columns)
            columns = np.ascontiguousarray(shelf.narrow.values[here].T)
            most = int(old_sizes[here].max())
            for top in range(0, len(sizes), _rows):
                bounds = self._apart * (sizes[top : top + _rows] + most)
                left = np.flatnonzero(_within(narrow[top : top + _rows], columns, bounds=bounds))
                if len(left) == 0:
                    continue
                rows, others = left // columns.shape[1] + top, left % columns.shape[1] + at
                both = np.stack((lengths[rows], shelf.lengths.values[others]))
                differ = np.bitwise_count(wide[rows] ^ shelf.wide.values[others]).sum(axis=1, dtype=np.int64)
                good = differ <= self._apart * (sizes[rows] + old_sizes[others])
                good &= both.min(axis=0) >= self._similarity * both.max(axis=0)
                yield some.places[rows[good]], shelf.numbers.values[others[good]]


def _within(rows: _Words, columns: _Words, *, bounds: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Whether each row's sketch differs from each column's in no more bits than the row's bound allows."""
    shape = len(rows), columns.shape[1]
    many = len(columns) > 3  # a word differs in up to 64 bits: of more than three, a byte does not hold the sum
    differing, bits = np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint8)
    result = np.zeros(shape, dtype=np.uint32 if many else np.uint8)
    for word in range(len(columns)):
        np.bitwise_xor(rows[:, word : word + 1], columns[word], out=differing)
        np.bitwise_count(differing, out=bits)
        result += bits
    most = np.minimum(bounds, np.iinfo(result.dtype).max).astype(result.dtype)
    within: NDArray[np.bool_] = result <= most[:, None]
    return within


def _shelf_of(length: float) -> int:
    return int(math.log(max(length, 1)) / _ratio)


def _by_length(batch: Prints) -> Iterator[tuple[int, _Some]]:
    """The texts of a batch by shelf, the shortest first."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for length, places in _equal(batch.lengths):
        found[_shelf_of(length)] += places
    yield from ((place, _Some(batch, np.array(found[place], dtype=np.int64))) for place in sorted(found))


def _equal(lengths: NDArray[np.int32]) -> Iterator[tuple[int, list[int]]]:
    order = np.argsort(lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(lengths[order])) + 1
    yield from ((int(lengths[some[0]]), some.tolist()) for some in np.split(order, cuts) if len(some))
