"""Near duplicates of many texts at once: an index that compares the texts that share a band of their signatures.

Pairs that share a band of their MinHash signatures (`shingles`) are compared, no others: of what lies right at the
threshold, not all is found (`complete` finds all, for more work). Whether two texts meet depends on the two alone, so
results do not depend on how texts come in batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seekloop.text.kept import Kept, Table, distinct
from seekloop.text.shingles import ENTRIES, Hashes, Prints, bands
from seekloop.text.similarity import Pairs, Source, joined, least_dice, verified

__all__ = ["Compared", "Index", "rows_for"]

Numbers = NDArray[np.int64]
_Alike = NDArray[np.bool_]

_half = np.uint64(32)
_low = np.uint64(0xFFFFFFFF)
_at_once = 1 << 14
"""Pairs that are compared at a time."""
_slack = 0.09
"""Two standard deviations of a Jaccard similarity that is estimated by a signature."""


class _Signed(Source, Protocol):
    @property
    def signatures(self) -> NDArray[np.uint8]: ...


@dataclass(frozen=True)
class Compared:
    """What became of a batch."""

    numbers: Numbers
    """The number in the index of each text that was kept; -1: it was not."""
    twins: Numbers
    """Number of the text that stands for each one that was not kept; -1 otherwise."""
    exact: _Alike
    """Whether that text has the same key."""


class Index:
    """Fingerprints of texts that were kept, numbered as they came, each with a class.

    In memory are about 0.5 kB a text of 60 characters: 4 bytes a character, its signature and its bands.

    Args:
        threshold: the least similarity of a near duplicate, 0.3 to 1; None: only exact duplicates are found.
    """

    def __init__(self, threshold: float | None = 0.9) -> None:
        self.threshold = threshold
        self.rows = rows_for(threshold)
        self.met = 0
        """Pairs of texts that shared a band so far, and were looked at."""
        self._kept = Kept()
        self._table = Table(threshold or 1.0)

    def __len__(self) -> int:
        return len(self._kept)

    def classes(self, numbers: Numbers) -> Numbers:
        """The classes of kept texts."""
        return self._kept.classes.values[numbers]

    def compare(self, batch: Prints, classes: Numbers, *, exact: bool = True) -> Compared:
        """Keep those texts of a batch that have no twin among the texts kept before, in order.

        A text with the key of a kept one is its twin (unless `exact` is off), and so is one that is at least
        `threshold` alike and of the same class. A text's twin is the one with its key, or else the first kept.
        """
        bands = self._bands(batch)
        before = self._before(batch, bands, exact=exact)
        twins = self._is_twin(before, new=classes, old=self.classes(before.old), exact=exact)
        kept = np.ones(len(batch), dtype=bool)
        kept[before.new[twins]] = False
        self._sift(batch, bands, kept=kept, classes=classes, exact=exact)
        numbers = np.full(len(batch), -1, dtype=np.int64)
        numbers[kept] = len(self) + np.arange(np.count_nonzero(kept))
        left_out = self._twins_of(batch, bands, before=before, numbers=numbers, classes=classes, exact=exact)
        self._kept.add(batch.take(np.flatnonzero(kept)), classes[kept])
        self._table.add(bands[kept], numbers[kept], lengths=batch.lengths[kept])
        return Compared(numbers, *left_out)

    def _bands(self, batch: Prints) -> Hashes:
        marks = bands(batch, self.rows or ENTRIES)
        return marks if self.rows else marks[:, -1:]

    def _is_twin(self, pairs: Pairs, *, new: Numbers, old: Numbers, exact: bool) -> _Alike:
        """Whether one of a pair stands for the other; `old` are the classes of the kept ones."""
        same: _Alike = new[pairs.new] == old
        return (pairs.exact & exact) | (same if self.threshold is not None else np.zeros(len(same), dtype=bool))

    def _before(self, batch: Prints, marks: Hashes, *, exact: bool) -> Pairs:
        """Texts kept before that are alike; none but the one with the same key, where that is enough."""
        same = self._alike(batch, self._table.meet(marks[:, -1:], lengths=batch.lengths))
        if self.threshold is None:
            return same
        same = same.where(same.exact & exact)
        rest = np.setdiff1d(np.arange(len(batch)), same.new)
        meetings = ((rest[rows], old) for rows, old in self._table.meet(marks[rest], lengths=batch.lengths[rest]))
        return joined([same, self._alike(batch, meetings)])

    def _sift(self, batch: Prints, marks: Hashes, *, kept: _Alike, classes: Numbers, exact: bool) -> None:
        """Take the twins of earlier texts of the batch out of `kept`.

        In each round, a text that is the first left in all its buckets is sure to be kept, so that the others of its
        buckets are compared with it alone: a heap of duplicates costs as many comparisons as it has texts.
        """
        buckets, rows = _shared(marks, np.flatnonzero(kept))
        while len(rows):
            firsts = rows[np.maximum.accumulate(np.where(_begins(buckets), np.arange(len(rows)), 0))]
            sure = np.ones(len(batch), dtype=bool)
            sure[rows[rows != firsts]] = False
            late = ~sure[rows] & sure[firsts]
            pairs = self._alike_within(batch, _distinct(rows[late], firsts[late]))
            twins = self._is_twin(pairs, new=classes, old=classes[pairs.old], exact=exact)
            kept[pairs.new[twins]] = False
            left = ~sure[rows] & kept[rows]
            buckets, rows = buckets[left], rows[left]

    def _twins_of(
        self, batch: Prints, marks: Hashes, *, before: Pairs, numbers: Numbers, classes: Numbers, exact: bool
    ) -> tuple[Numbers, _Alike]:
        """For each text that is left out, the number of the one that stands for it, and whether it has its key."""
        stay, known = np.flatnonzero(numbers >= 0), before.new[before.exact & exact]
        out = np.setdiff1d(np.flatnonzero(numbers < 0), known)
        table = Table(self.threshold or 1.0)
        table.add(marks[stay], stay, lengths=batch.lengths[stay])
        found = [
            (
                before.new,
                before.old,
                before.exact,
                self._is_twin(before, new=classes, old=self.classes(before.old), exact=exact),
            )
        ]
        for rows, others in table.meet(marks[out], lengths=batch.lengths[out]):
            earlier = others < out[rows]
            pairs = self._alike_within(batch, (out[rows[earlier]], others[earlier]))
            right = self._is_twin(pairs, new=classes, old=classes[pairs.old], exact=exact)
            found.append((pairs.new, numbers[pairs.old], pairs.exact, right))
        new, old, same, right = (np.concatenate(column) for column in zip(*found, strict=True))
        right &= numbers[new] < 0
        new, old, same = new[right], old[right], same[right] & exact
        order = np.lexsort((old, ~same, new))
        rows, first = np.unique(new[order], return_index=True)
        twins, alike = np.full(len(batch), -1, dtype=np.int64), np.zeros(len(batch), dtype=bool)
        twins[rows], alike[rows] = old[order][first], same[order][first]
        return twins, alike

    def _alike(self, batch: Prints, meetings: Iterable[tuple[Numbers, Numbers]]) -> Pairs:
        """Those of the candidates that are alike."""
        found = [
            self._verified((batch, new[at : at + _at_once]), (self._kept, old[at : at + _at_once]))
            for new, old in meetings
            for at in range(0, len(new), _at_once)
        ]
        return joined(found)

    def _alike_within(self, batch: Prints, pairs: tuple[Numbers, Numbers]) -> Pairs:
        new, old = pairs
        cuts = range(0, len(new), _at_once)
        return joined([self._verified((batch, new[a : a + _at_once]), (batch, old[a : a + _at_once])) for a in cuts])

    def _verified(self, left: tuple[_Signed, Numbers], right: tuple[_Signed, Numbers]) -> Pairs:
        (one, new), (two, old) = left, right
        self.met += len(new)
        if self.threshold is None:
            exact: _Alike = (one.keys[new] == two.keys[old]).all(axis=1)
            return Pairs(new[exact], old[exact], np.ones(np.count_nonzero(exact)), exact[exact])
        equal = np.count_nonzero(one.signatures[new] == two.signatures[old], axis=1)
        good = equal >= (_least_jaccard(self.threshold) - _slack) * ENTRIES
        return verified((one, new[good]), (two, old[good]), threshold=self.threshold)


def rows_for(threshold: float | None) -> int:
    """Entries a band: the most with which two texts exactly `threshold` alike still meet with a chance of 0.4 or more.

    That is for single edits far apart, which break the most shingles: at 0.9, six entries, and 0.43. With half of those
    edits the chance is 0.98. Five entries would find 0.73 of the first and let five times as many strangers meet, which
    is what grows with the square of the rows. 0: no bands, only keys.
    """
    if threshold is None:
        return 0
    share = _least_jaccard(threshold)
    fitting = [rows for rows in (3, 4, 5, 6, 7, 10) if (1 - share**rows) ** (ENTRIES // rows) <= 0.6]
    return max(fitting, default=2)


def _least_jaccard(threshold: float) -> float:
    """The Jaccard similarity of two sets of shingles whose Dice similarity just allows `threshold`."""
    dice = least_dice(threshold)
    return dice / (2 - dice)


def _shared(marks: Hashes, rows: Numbers) -> tuple[NDArray[np.uint64], Numbers]:
    """Bands that several of these rows have, in order, and the rows that have them; no row depends on other bands."""
    places = np.arange(len(rows) * marks.shape[1], dtype=np.uint64)
    entries = np.sort((marks[rows].astype(np.uint64).ravel() << _half) | places)
    buckets = entries >> _half
    begins = _begins(buckets)
    shared = ~begins | ~np.append(begins[1:], True)
    return buckets[shared], rows[(entries[shared] & _low).astype(np.int64) // marks.shape[1]]


def _begins(buckets: NDArray[np.uint64]) -> _Alike:
    """Whether a bucket begins at each place."""
    begins = np.ones(len(buckets), dtype=bool)
    np.not_equal(buckets[1:], buckets[:-1], out=begins[1:])
    return begins


def _distinct(late: Numbers, early: Numbers) -> tuple[Numbers, Numbers]:
    """Distinct pairs."""
    pairs = distinct(late.astype(np.uint64) << _half | early.astype(np.uint64))
    return (pairs >> _half).astype(np.int64), (pairs & _low).astype(np.int64)
