"""Where an index keeps its fingerprints: arrays that grow, and a table from band to texts in sorted runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from seekloop.text.shingles import ENTRIES, Hashes, Prints, spans

__all__ = ["Column", "Kept", "Table", "distinct"]

Numbers = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)

_half = np.uint64(32)
_low = np.uint64(0xFFFFFFFF)
_number_bits, _band_bits, _spare = np.uint64(27), np.uint64(35), np.uint64(3)
_number, _band = np.uint64((1 << 27) - 1), np.uint64(1 << 35)
_steps, _step = 256, 0.06
"""Steps of lengths: each is six in a hundred longer than the one before."""
_meetings_at_once = 1 << 20


def distinct(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The distinct values in order; twenty times as fast as `numpy.unique` on hashes, which builds a table first."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


class Column(Generic[Scalar]):
    """An array that grows at its end; the room doubles by half."""

    def __init__(self, kind: type[Scalar], *shape: int) -> None:
        self._room: NDArray[Scalar] = np.zeros((0, *shape), dtype=kind)
        self._count = 0

    @property
    def values(self) -> NDArray[Scalar]:
        """All entries so far."""
        return self._room[: self._count]

    def extend(self, more: NDArray[Any]) -> None:
        """Put entries at the end."""
        wanted = self._count + len(more)
        if wanted > len(self._room):
            room = np.zeros((max(wanted, len(self._room) * 3 // 2), *self._room.shape[1:]), dtype=self._room.dtype)
            room[: self._count] = self.values
            self._room = room
        self._room[self._count : wanted] = more
        self._count = wanted


class Kept:
    """The fingerprints of kept texts, looked up by number.

    Args:
        entries: how many entries of each signature are kept.
    """

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._columns: dict[str, Column[Any]] = {
            "keys": Column(np.uint64, 2),
            "lengths": Column(np.int32),
            "shingles": Column(np.uint32),
            "starts": Column(np.int64),
            "signatures": Column(np.uint8, entries),
            "classes": Column(np.int64),
        }
        self._columns["starts"].extend(np.zeros(1, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def keys(self) -> NDArray[np.uint64]:
        """As in `Prints`."""
        return self._columns["keys"].values

    @property
    def lengths(self) -> NDArray[np.int32]:
        """As in `Prints`."""
        return self._columns["lengths"].values

    @property
    def signatures(self) -> NDArray[np.uint8]:
        """As in `Prints`."""
        return self._columns["signatures"].values

    @property
    def classes(self) -> Column[np.int64]:
        """The class of each text."""
        return self._columns["classes"]

    def add(self, batch: Prints, classes: Numbers) -> None:
        """Keep a batch."""
        starts = self._columns["starts"]
        starts.extend(batch.starts[1:] + starts.values[-1])
        for name in ("keys", "lengths", "shingles"):
            self._columns[name].extend(vars(batch)[name])
        self._columns["signatures"].extend(batch.signatures[:, : self._entries])
        self._columns["classes"].extend(classes)

    def take(self, index: Numbers) -> Prints:
        """The fingerprints of some texts."""
        starts = self._columns["starts"].values
        sizes = np.zeros(len(index) + 1, dtype=np.int64)
        np.cumsum(starts[index + 1] - starts[index], out=sizes[1:])
        return Prints(
            keys=self.keys[index],
            lengths=self.lengths[index],
            shingles=self._columns["shingles"].values[spans(starts, index)],
            starts=sizes,
            signatures=self.signatures[index],
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, by name."""
        return {name: column.values for name, column in self._columns.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""
        for name, column in self._columns.items():
            column.extend(arrays[name][len(column.values) :])


class _Run:
    """Entries in order, and where those with the same highest bits begin: two look-ups instead of a search."""

    def __init__(self, entries: NDArray[np.uint64]) -> None:
        entries.sort()
        self.entries = entries
        bits = max(1, len(entries).bit_length() - 1)
        self._shift = np.uint64(64 - bits)
        counts = np.bincount((entries >> self._shift).astype(np.int64), minlength=1 << bits)
        self._starts = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))

    def near(self, wanted: NDArray[np.uint64]) -> tuple[Numbers, Numbers]:
        """Where the entries with the same highest bits as each of `wanted` begin, and how many there are."""
        bucket = (wanted >> self._shift).astype(np.int64)
        first = self._starts[bucket]
        return first, self._starts[bucket + 1] - first


class Table:
    """Band and length -> texts that have the one and about the other.

    Runs of 64-bit entries, a band above, a length's step below it and a text's number at the bottom, each run sorted
    and at least four times as long as the next one: an entry is merged as often as runs are many, so the cost of a text
    grows with their logarithm. Lengths stand in the entries, so that most of what shares a band by chance, or a
    sentence of a longer text, falls without a look at the text.

    Args:
        similarity: the least ratio of two lengths; 0: any.
    """

    def __init__(self, similarity: float = 0.0) -> None:
        self._runs: list[_Run] = []
        least = math.exp(-(_steps - 1) * _step)
        self._reach = math.ceil(-math.log(max(similarity, least)) / _step) + 1

    def add(self, marks: Hashes, numbers: Numbers, *, lengths: NDArray[np.int32]) -> None:
        """Enter texts with their bands, shape (texts, bands), and their lengths."""
        if len(numbers) == 0:
            return
        assert int(numbers[-1]) <= int(_number)  # 134 million texts
        entries = _entries(marks, lengths) | numbers.astype(np.uint64)[:, None]
        new = entries.ravel()
        while self._runs and len(self._runs[-1].entries) < 4 * len(new):
            new = np.concatenate((self._runs.pop().entries, new))
        self._runs.append(_Run(new))

    def meet(self, marks: Hashes, *, lengths: NDArray[np.int32]) -> Iterator[tuple[Numbers, Numbers]]:
        """Distinct pairs of a row of `marks` and a text with one of its bands and about its length, some at a time."""
        wanted = _entries(marks, lengths).ravel()
        rows = np.repeat(np.arange(len(marks)), marks.shape[1])
        for run in self._runs:
            first, sizes = run.near(wanted)
            cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _meetings_at_once)) + 1
            for part in np.split(np.arange(len(wanted)), cuts):
                places = np.repeat(part, sizes[part])
                ends = np.cumsum(sizes[part])
                inside = np.arange(len(places)) - np.repeat(ends - sizes[part], sizes[part])
                entries = run.entries[first[places] + inside]
                met = np.flatnonzero((entries ^ wanted[places]) < _band)
                steps = (entries[met] >> _number_bits).astype(np.int64) - (wanted[places[met]] >> _number_bits).astype(
                    np.int64
                )
                met = met[np.abs(steps) <= self._reach]
                pairs = distinct((rows[places[met]].astype(np.uint64) << _half) | (entries[met] & _number))
                yield (pairs >> _half).astype(np.int64), (pairs & _low).astype(np.int64)


def _entries(marks: Hashes, lengths: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Bands above, steps of lengths below, and room for a number at the bottom; shape as `marks`."""
    steps = np.minimum(np.log(np.maximum(lengths, 1)) / _step, _steps - 1).astype(np.uint64) << _number_bits
    return (marks.astype(np.uint64) >> _spare << _band_bits) | steps[:, None]
