"""Every text that is alike: an index that leaves no pair out, for what has to be known of rows that are held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from seekloop.text.kept import Kept
from seekloop.text.shingles import Prints
from seekloop.text.similarity import Pairs, joined, least_dice, verified
from seekloop.text.sweep import Sweep

__all__ = ["CompleteIndex", "Joined"]

Numbers = NDArray[np.int64]
_at_once = 1 << 14
"""Pairs that are compared at a time."""


@dataclass(frozen=True)
class Joined:
    """What a batch was joined to."""

    numbers: Numbers
    """The number of each text that was kept; -1: a text before it has its key."""
    twins: Numbers
    """The number of that text; -1 for texts that were kept."""
    near: Numbers
    """Pairs of kept texts that are alike, as numbers, the later one first, in order; shape (pairs, 2)."""


class CompleteIndex:
    """Fingerprints of texts, numbered as they came, each with a class; all that is alike is found.

    A text is compared with every other of about its length (`sweep`): a few nanoseconds a pair. In memory are about
    0.5 kB a text of 60 characters.

    Args:
        threshold: how much alike texts count as alike, 0.3 to 1. Below 0.7, sketches tell little apart and each pair
            costs as much as a comparison.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._kept = Kept(entries=0)
        self._sweep = self._new_sweep()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, batch: Prints, classes: Numbers | None = None) -> Numbers:
        """Keep a whole batch, twins or not; the number of each text."""
        numbers = np.arange(len(self), len(self) + len(batch))
        self._sweep.add(batch, numbers)
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
        meetings = _gathered(self._sweep.meet(batch))
        return joined([verified((batch, new), (self._kept, old), threshold=self.threshold) for new, old in meetings])

    def join(self, batch: Prints) -> Joined:
        """Keep the texts of a batch whose key no text before has, and find every pair of kept ones that is alike."""
        keys = np.ascontiguousarray(batch.keys).view([("", np.uint64)] * 2).ravel()
        _, first, same = np.unique(keys, return_index=True, return_inverse=True)
        first, same = np.sort(first), first[same.ravel()]
        found = self.matches(batch.take(first))
        found = Pairs(first[found.new], found.old, found.similarity, found.exact)
        twins = np.full(len(batch), -1, dtype=np.int64)
        twins[found.new[found.exact]] = found.old[found.exact]
        new = first[twins[first] < 0]
        numbers = np.full(len(batch), -1, dtype=np.int64)
        fresh = batch.take(new)
        within = self._within(fresh)
        numbers[new] = self.add(fresh)
        before = found.where(twins[found.new] < 0)
        near = np.concatenate(
            (
                np.stack((numbers[before.new], before.old), axis=1),
                np.stack((numbers[new[within.new]], numbers[new[within.old]]), axis=1),
            )
        )
        again = np.flatnonzero(numbers < 0)
        twins[again] = np.where(twins[same[again]] >= 0, twins[same[again]], numbers[same[again]])
        return Joined(numbers, twins, near[np.lexsort((near[:, 1], near[:, 0]))])

    def save(self, path: Path) -> None:
        """Write the index as arrays (`.npz`), without pickles."""
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, threshold=np.float64(self.threshold), **self._kept.arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """An index that `save` wrote.

        Raises:
            OSError, ValueError, KeyError: there is none, or it is damaged.
        """
        with np.load(path, allow_pickle=False) as arrays:
            index = cls(float(arrays["threshold"]))
            index._kept.restore(arrays)
        for at in range(0, len(index), _at_once):
            some = np.arange(at, min(at + _at_once, len(index)))
            index._sweep.add(index._kept.take(some), some)
        return index

    def _within(self, batch: Prints) -> Pairs:
        """Pairs of texts of a batch that are alike, each once, the later one as the new one."""
        sweep = self._new_sweep()
        sweep.add(batch, np.arange(len(batch)))
        later = ((new[old < new], old[old < new]) for new, old in sweep.meet(batch))
        return joined([verified((batch, new), (batch, old), threshold=self.threshold) for new, old in _gathered(later)])

    def _new_sweep(self) -> Sweep:
        return Sweep(similarity=self.threshold, dice=least_dice(self.threshold))


def _gathered(meetings: Iterable[tuple[Numbers, Numbers]]) -> Iterator[tuple[Numbers, Numbers]]:
    """The same pairs, enough of them at a time that the cost of a call does not count."""
    waiting: list[tuple[Numbers, Numbers]] = []
    count = 0
    for pair in meetings:
        waiting.append(pair)
        count += len(pair[0])
        if count >= _at_once:
            yield _both(waiting)
            waiting, count = [], 0
    if waiting:
        yield _both(waiting)


def _both(pairs: list[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    return np.concatenate([new for new, _ in pairs]), np.concatenate([old for _, old in pairs])
