"""How alike two texts are, in Chinese as in English.

The similarity of two texts is 1 less the share of characters to edit, whatever the order of their clauses: the least of

- cover: of the characters of both, the share that stands in a shingle which the other has too. An edited character is
  lost, a moved clause is not;
- (2 + Dice) / 3, Dice being that of the two sets of shingles: a single edit breaks three of them, so this is 1 less the
  edits that the broken shingles tell of (Ukkonen 1992);
- the shorter length over the longer.

Texts that differ only in case, width, punctuation, spacing or script have the similarity 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seekloop.text.kept import distinct
from seekloop.text.shingles import Hashes, Prints, prints

__all__ = ["Pairs", "Source", "joined", "least_dice", "similarity", "verified"]

Numbers = NDArray[np.int64]
_Alike = NDArray[np.bool_]

_half = np.uint64(32)
_at_once = 1 << 14
"""Pairs that are compared at a time."""
_long, _reach = 1_000, 5
"""Texts of more characters than this are covered by shingles that are so much longer: among many, short ones recur."""


class Source(Protocol):
    """Fingerprints that can be looked up by place."""

    @property
    def keys(self) -> NDArray[np.uint64]:
        """As in `Prints`."""
        ...

    @property
    def lengths(self) -> NDArray[np.int32]:
        """As in `Prints`."""
        ...

    def take(self, index: Numbers) -> Prints:
        """The fingerprints of some of the texts."""
        ...


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

    def where(self, which: _Alike) -> Pairs:
        """Some of them."""
        return Pairs(self.new[which], self.old[which], self.similarity[which], self.exact[which])


def similarity(left: str, right: str) -> float:
    """How alike two texts are, 0 to 1; 1 where only case, width, punctuation, spacing or script differ."""
    both = prints([left, right])
    if (both.keys[0] == both.keys[1]).all():
        return 1.0
    one, two = both.take(np.array([0])), both.take(np.array([1]))
    return float(_measure(one, two)[0])


def least_dice(threshold: float) -> float:
    """The least Dice similarity of the shingles of two texts that are `threshold` alike; 0: any."""
    return max(0.0, 3 * threshold - 2)


def verified(left: tuple[Source, Numbers], right: tuple[Source, Numbers], *, threshold: float) -> Pairs:
    """Those of the pairs that are at least `threshold` alike: new texts by place, old ones by number."""
    (one, new), (two, old) = left, right
    cuts = range(0, len(new), _at_once)
    return joined(
        [_verified((one, new[a : a + _at_once]), (two, old[a : a + _at_once]), threshold=threshold) for a in cuts]
    )


def _verified(left: tuple[Source, Numbers], right: tuple[Source, Numbers], *, threshold: float) -> Pairs:
    (one, new), (two, old) = left, right
    exact: _Alike = (one.keys[new] == two.keys[old]).all(axis=1)
    sizes = np.stack((one.lengths[new], two.lengths[old]))
    good = exact | (sizes.min(axis=0) >= threshold * sizes.max(axis=0))
    new, old, exact = new[good], old[good], exact[good]
    alike = np.ones(len(new))
    alike[~exact] = _measure(one.take(new[~exact]), two.take(old[~exact]), least=threshold)
    return Pairs(new, old, alike, exact).where(alike >= threshold)


def joined(found: list[Pairs]) -> Pairs:
    """All of them, one behind the other."""
    none = np.zeros(0, dtype=np.int64)
    whole = [Pairs(none, none, np.zeros(0), np.zeros(0, dtype=bool)), *found]
    return Pairs(
        new=np.concatenate([pairs.new for pairs in whole]),
        old=np.concatenate([pairs.old for pairs in whole]),
        similarity=np.concatenate([pairs.similarity for pairs in whole]),
        exact=np.concatenate([pairs.exact for pairs in whole]),
    )


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
