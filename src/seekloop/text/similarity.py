"""Near duplicates: how alike two texts are, and an index that finds the twins of many texts at once.

The similarity of two texts is 1 less the share of characters to edit, whatever the order of their clauses: the least of

- cover: of the characters of both, the share that stands in a shingle which the other has too. An edited character is
  lost, a moved clause is not;
- (2 + Dice) / 3, Dice being that of the two sets of shingles: a single edit breaks three of them, so this is 1 less the
  edits that the broken shingles tell of (Ukkonen 1992);
- the shorter length over the longer.

Pairs that share a band of their MinHash signatures (`shingles`) are compared, no others. Whether two texts meet depends
on the two alone, so results do not depend on how texts come in batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from seekloop.text.kept import Kept, Table, distinct
from seekloop.text.shingles import ENTRIES, Hashes, Prints, bands, prints

__all__ = ["Compared", "Index", "Pairs", "rows_for", "similarity"]

Numbers = NDArray[np.int64]
_Alike = NDArray[np.bool_]

_half = np.uint64(32)
_low = np.uint64(0xFFFFFFFF)
_at_once = 1 << 14
"""Pairs that are compared at a time."""
_long, _reach = 1_000, 5
"""Texts of more characters than this are covered by shingles that are so much longer: among many, short ones recur."""
_slack = 0.09
"""Two standard deviations of a Jaccard similarity that is estimated by a signature."""


class _Source(Protocol):
    """Fingerprints that can be looked up by place."""

    @property
    def keys(self) -> NDArray[np.uint64]: ...
    @property
    def lengths(self) -> NDArray[np.int32]: ...
    @property
    def signatures(self) -> NDArray[np.uint8]: ...
    def take(self, index: Numbers) -> Prints: ...


@dataclass(frozen=True)
class Pairs:
    """Texts that were compared and are alike."""

    new: Numbers
    """Places in the batch."""
    old: Numbers
    """Numbers in the index."""
    similarity: NDArray[np.float64]
    exact: _Alike
    """Same key: only case, width, punctuation, spacing or script may differ."""


@dataclass(frozen=True)
class Compared:
    """What became of a batch."""

    numbers: Numbers
    """The number in the index of each text that was kept; -1: it was not."""
    twins: Numbers
    """Number of the text that stands for each one that was not kept; -1 otherwise."""
    exact: _Alike
    """Whether that text has the same key."""
    near: Numbers
    """Pairs of kept texts that are alike, as numbers, the later one first; shape (pairs, 2)."""


def similarity(left: str, right: str) -> float:
    """How alike two texts are, 0 to 1; 1 where only case, width, punctuation, spacing or script differ."""
    both = prints([left, right])
    if (both.keys[0] == both.keys[1]).all():
        return 1.0
    one, two = both.take(np.array([0])), both.take(np.array([1]))
    return float(_measure(one, two)[0])


class Index:
    """Fingerprints of texts that were kept, numbered as they came, each with a class.

    In memory are about 0.5 kB a text of 60 characters: 4 bytes a character, its signature and its bands.

    Args:
        threshold: the least similarity of a near duplicate, 0.3 to 1; None: only exact duplicates are found.
    """

    def __init__(self, threshold: float | None = 0.9) -> None:
        self.threshold = threshold
        self.rows = rows_for(threshold)
        self._kept = Kept()
        self._table = Table()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, batch: Prints, classes: Numbers | None = None) -> Numbers:
        """Keep a whole batch, twins or not; the number of each text."""
        numbers = np.arange(len(self), len(self) + len(batch))
        self._table.add(self._bands(batch), numbers)
        self._kept.add(batch, np.zeros(len(batch), dtype=np.int64) if classes is None else classes)
        return numbers

    def classes(self, numbers: Numbers) -> Numbers:
        """The classes of kept texts."""
        return self._kept.classes.values[numbers]

    def reclass(self, classes: Numbers) -> None:
        """Give every kept text another class."""
        self._kept.classes.values[:] = classes

    def matches(self, batch: Prints) -> Pairs:
        """Every pair of a text of the batch and a kept one that are at least `threshold` alike."""
        return self._alike(batch, self._table.meet(self._bands(batch)))

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
        inside = self._sifted(batch, bands, kept=kept, classes=classes, exact=exact)
        numbers = np.full(len(batch), -1, dtype=np.int64)
        numbers[kept] = len(self) + np.arange(np.count_nonzero(kept))
        left_out = self._twins_of(batch, bands, before=before, numbers=numbers, classes=classes, exact=exact)
        stay = kept[before.new]
        near = [(numbers[before.new[stay]], before.old[stay])]
        near += [(numbers[late], numbers[early]) for late, early in inside]
        pairs = np.concatenate([np.stack(sides, axis=1) for sides in near])
        self._kept.add(batch.take(np.flatnonzero(kept)), classes[kept])
        self._table.add(bands[kept], numbers[kept])
        return Compared(numbers, *left_out, pairs[(pairs >= 0).all(axis=1)])

    def save(self, path: Path) -> None:
        """Write the index as arrays (`.npz`), without pickles."""
        arrays = self._kept.arrays() | {"table": self._table.whole()}
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, threshold=np.float64(self.threshold or np.nan), **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """An index that `save` wrote.

        Raises:
            OSError, ValueError, KeyError: there is none, or it is damaged.
        """
        with np.load(path, allow_pickle=False) as arrays:
            threshold = float(arrays["threshold"])
            index = cls(None if np.isnan(threshold) else threshold)
            index._kept.restore(arrays)
            index._table.restore(arrays["table"])
        return index

    def _bands(self, batch: Prints) -> Hashes:
        marks = bands(batch, self.rows or ENTRIES)
        return marks if self.rows else marks[:, -1:]

    def _is_twin(self, pairs: Pairs, *, new: Numbers, old: Numbers, exact: bool) -> _Alike:
        """Whether one of a pair stands for the other; `old` are the classes of the kept ones."""
        same: _Alike = new[pairs.new] == old
        return (pairs.exact & exact) | (same if self.threshold is not None else np.zeros(len(same), dtype=bool))

    def _before(self, batch: Prints, marks: Hashes, *, exact: bool) -> Pairs:
        """Texts kept before that are alike; none but the one with the same key, where that is enough."""
        same = self._alike(batch, self._table.meet(marks[:, -1:]))
        if self.threshold is None:
            return same
        same = _those(same, same.exact & exact)
        rest = np.setdiff1d(np.arange(len(batch)), same.new)
        meetings = ((rest[rows], old) for rows, old in self._table.meet(marks[rest]))
        return _joined([same, self._alike(batch, meetings)])

    def _sifted(
        self, batch: Prints, marks: Hashes, *, kept: _Alike, classes: Numbers, exact: bool
    ) -> list[tuple[Numbers, Numbers]]:
        """Take the twins of earlier texts of the batch out of `kept`; pairs of kept texts that are alike.

        In each round, a text that is the first left in all its buckets is sure to be kept, so that the others of its
        buckets are compared with it alone: a heap of duplicates costs as many comparisons as it has texts.
        """
        found = []
        left = np.flatnonzero(kept)
        while len(left) > 1:
            _, first, bucket = np.unique(marks[left], return_index=True, return_inverse=True)
            firsts = (first // marks.shape[1])[bucket.reshape(marks[left].shape)]
            mine = np.arange(len(left))
            sure = (firsts == mine[:, None]).all(axis=1)
            late, early = _distinct(*np.nonzero(~sure[:, None] & sure[firsts]), firsts=firsts)
            pairs = self._alike_within(batch, new=left[late], old=left[early])
            twins = self._is_twin(pairs, new=classes, old=classes[pairs.old], exact=exact)
            kept[pairs.new[twins]] = False
            found.append((pairs.new, pairs.old))
            left = left[~sure & kept[left]]
        return found

    def _twins_of(
        self, batch: Prints, marks: Hashes, *, before: Pairs, numbers: Numbers, classes: Numbers, exact: bool
    ) -> tuple[Numbers, _Alike]:
        """For each text that is left out, the number of the one that stands for it, and whether it has its key."""
        stay, known = np.flatnonzero(numbers >= 0), before.new[before.exact & exact]
        out = np.setdiff1d(np.flatnonzero(numbers < 0), known)
        table = Table()
        table.add(marks[stay], stay)
        found = [
            (
                before.new,
                before.old,
                before.exact,
                self._is_twin(before, new=classes, old=self.classes(before.old), exact=exact),
            )
        ]
        for rows, others in table.meet(marks[out]):
            earlier = others < out[rows]
            pairs = self._alike_within(batch, new=out[rows[earlier]], old=others[earlier])
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
        return _joined(found)

    def _alike_within(self, batch: Prints, *, new: Numbers, old: Numbers) -> Pairs:
        cuts = range(0, len(new), _at_once)
        return _joined([self._verified((batch, new[a : a + _at_once]), (batch, old[a : a + _at_once])) for a in cuts])

    def _verified(self, left: tuple[_Source, Numbers], right: tuple[_Source, Numbers]) -> Pairs:
        (one, new), (two, old) = left, right
        exact: _Alike = (one.keys[new] == two.keys[old]).all(axis=1)
        if self.threshold is None:
            return Pairs(new[exact], old[exact], np.ones(np.count_nonzero(exact)), exact[exact])
        sizes = np.stack((one.lengths[new], two.lengths[old]))
        good = exact | (sizes.min(axis=0) >= self.threshold * sizes.max(axis=0))
        new, old, exact = new[good], old[good], exact[good]
        equal = np.count_nonzero(one.signatures[new] == two.signatures[old], axis=1)
        good = exact | (equal >= (_least_jaccard(self.threshold) - _slack) * ENTRIES)
        new, old, exact = new[good], old[good], exact[good]
        alike = np.ones(len(new))
        alike[~exact] = _measure(one.take(new[~exact]), two.take(old[~exact]), least=self.threshold)
        return _those(Pairs(new, old, alike, exact), alike >= self.threshold)


def rows_for(threshold: float | None) -> int:
    """Entries a band: the most with which two texts exactly `threshold` alike still meet with a chance of 0.7 or more.

    That is for single edits far apart, which break the most shingles: at 0.9, five entries, and 0.72. With half of
    those edits the chance is 0.998. 0: no bands, only keys.
    """
    if threshold is None:
        return 0
    share = _least_jaccard(threshold)
    fitting = [rows for rows in (3, 4, 5, 7, 10) if (1 - share**rows) ** (ENTRIES // rows) <= 0.3]
    return max(fitting, default=2)


def _least_jaccard(threshold: float) -> float:
    """The Jaccard similarity of two sets of shingles whose Dice similarity just allows `threshold`."""
    dice = max(0.0, 3 * threshold - 2)
    return dice / (2 - dice)


def _measure(left: Prints, right: Prints, *, least: float = 0.0) -> NDArray[np.float64]:
    """The similarity of each text of `left` and the one of `right` at its place, or a bound that is below `least`."""
    sizes = np.stack((left.lengths, right.lengths)).astype(np.float64)
    lengths = sizes.min(axis=0) / np.maximum(sizes.max(axis=0), 1)
    result: NDArray[np.float64] = np.minimum((2 + _dice(left, right)) / 3, lengths)
    close = np.flatnonzero(result >= least)
    one, two, sizes = left.take(close), right.take(close), sizes[:, close]
    covered = _covered_by(one, two, stretched=False)
    long = np.flatnonzero(sizes.min(axis=0) > _long)
    covered[long] = _covered_by(one.take(long), two.take(long), stretched=True)
    result[close] = np.minimum(result[close], covered / np.maximum(sizes.sum(axis=0), 1))
    return result


def _dice(left: Prints, right: Prints) -> NDArray[np.float64]:
    """Twice the shared shingles over those of both, for each pair."""
    sets = [distinct(_tagged(batch, batch.shingles)) for batch in (left, right)]
    one, two, both = (_counted(values, len(left)) for values in (*sets, distinct(np.concatenate(sets))))
    result: NDArray[np.float64] = 2 * (one + two - both) / np.maximum(one + two, 1)
    return result


def _counted(tagged: NDArray[np.uint64], count: int) -> Numbers:
    return np.bincount((tagged >> _half).astype(np.int64), minlength=count)


def _covered_by(left: Prints, right: Prints, *, stretched: bool) -> Numbers:
    """How many characters of both texts of each pair stand in a shingle of the other, or in a stretched one."""
    one, two = (_stretched(batch) if stretched else _tagged(batch, batch.shingles) for batch in (left, right))
    reach = _reach if stretched else 0
    return _covered(left, _isin(one, distinct(two)), reach=reach) + _covered(
        right, _isin(two, distinct(one)), reach=reach
    )


def _those(pairs: Pairs, which: _Alike) -> Pairs:
    return Pairs(pairs.new[which], pairs.old[which], pairs.similarity[which], pairs.exact[which])


def _stretched(batch: Prints) -> NDArray[np.uint64]:
    """A longer shingle from each place on, made of those at it and behind it; the last ones of a text stay alone."""
    ends = np.repeat(batch.starts[1:], np.diff(batch.starts)) - 1
    places = np.arange(len(ends))
    longer = batch.shingles.copy()
    for step in (3, _reach):
        longer = (longer * np.uint32(0x9E3779B1)) ^ batch.shingles[np.minimum(places + step, ends)]
    return _tagged(batch, longer)


def _tagged(batch: Prints, shingles: Hashes) -> NDArray[np.uint64]:
    """Each shingle with its text's place above it, so that texts do not mix."""
    places = np.repeat(np.arange(len(batch), dtype=np.uint64), np.diff(batch.starts))
    tagged: NDArray[np.uint64] = (places << _half) | shingles
    return tagged


def _isin(values: NDArray[np.uint64], ordered: NDArray[np.uint64]) -> _Alike:
    if len(ordered) == 0:
        return np.zeros(len(values), dtype=bool)
    found: _Alike = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    return found


def _covered(batch: Prints, present: _Alike, *, reach: int) -> Numbers:
    """How many characters of each text stand in a shingle that is `present`; each is longer by `reach`."""
    sizes = np.diff(batch.starts)
    ends = np.cumsum(batch.lengths.astype(np.int64))
    text = np.repeat(np.arange(len(batch)), sizes)[present]
    first = np.flatnonzero(present) - batch.starts[:-1][text] + (ends - batch.lengths)[text]
    last = np.minimum(first + 2 + reach + (batch.shingles[present] & np.uint32(1)), ends[text])
    room = int(ends[-1] if len(ends) else 0) + 1
    covered = np.cumsum(np.bincount(first, minlength=room) - np.bincount(last, minlength=room)) > 0
    counts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(covered)))
    result: Numbers = counts[ends] - counts[ends - batch.lengths]
    return result


def _distinct(rows: Numbers, columns: Numbers, *, firsts: Numbers) -> tuple[Numbers, Numbers]:
    """Distinct pairs of a row and the first one of its bucket."""
    pairs = distinct(rows.astype(np.uint64) << _half | firsts[rows, columns].astype(np.uint64))
    return (pairs >> _half).astype(np.int64), (pairs & _low).astype(np.int64)


def _joined(found: list[Pairs]) -> Pairs:
    none = np.zeros(0, dtype=np.int64)
    whole = [Pairs(none, none, np.zeros(0), np.zeros(0, dtype=bool)), *found]
    return Pairs(
        new=np.concatenate([pairs.new for pairs in whole]),
        old=np.concatenate([pairs.old for pairs in whole]),
        similarity=np.concatenate([pairs.similarity for pairs in whole]),
        exact=np.concatenate([pairs.exact for pairs in whole]),
    )
