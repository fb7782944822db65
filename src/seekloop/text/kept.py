"""Where an index keeps its fingerprints: arrays that grow, and a table from band to texts in sorted runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from seekloop.text.shingles import Hashes, Prints, spans

__all__ = ["Column", "Kept", "Table", "distinct"]

Numbers = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)

_half = np.uint64(32)
_low = np.uint64(0xFFFFFFFF)
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
    """The fingerprints of kept texts, looked up by number."""

    def __init__(self) -> None:
        self._columns: dict[str, Column[Any]] = {
            "keys": Column(np.uint64, 2),
            "lengths": Column(np.int32),
            "shingles": Column(np.uint32),
            "starts": Column(np.int64),
            "signatures": Column(np.uint8, 140),
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
        for name in ("keys", "lengths", "shingles", "signatures"):
            self._columns[name].extend(vars(batch)[name])
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


class Table:
    """Band -> texts that have it.

    Runs of 64-bit entries, a band above and a text's number below, each run sorted and at least four times as long as
    the next one: an entry is merged as often as runs are many, so the cost of a text grows with their logarithm.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []

    def add(self, marks: Hashes, numbers: Numbers) -> None:
        """Enter texts with their bands, shape (texts, bands)."""
        if len(numbers) == 0:
            return
        self._runs.append(np.sort(((marks.astype(np.uint64) << _half) | numbers.astype(np.uint64)[:, None]).ravel()))
        while len(self._runs) > 1 and len(self._runs[-2]) < 4 * len(self._runs[-1]):
            last = self._runs.pop()
            merged = np.concatenate((self._runs.pop(), last))
            merged.sort()
            self._runs.append(merged)

    def meet(self, marks: Hashes) -> Iterator[tuple[Numbers, Numbers]]:
        """Distinct pairs of a row of `marks` and a text with one of its bands, some at a time."""
        wanted = marks.astype(np.uint64).ravel() << _half
        order = np.argsort(wanted)
        wanted = wanted[order]
        for run in self._runs:
            first = np.searchsorted(run, wanted)
            hit = np.flatnonzero(
                (run[np.minimum(first, len(run) - 1)] >> _half == wanted >> _half) & (first < len(run))
            )
            last = np.searchsorted(run, wanted[hit] | _low, side="right")
            sizes, rows = last - first[hit], order[hit] // marks.shape[1]
            cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _meetings_at_once)) + 1
            for part in np.split(np.arange(len(hit)), cuts):
                starts = np.stack((first[hit][part], last[part]))
                yield _distinct(run, rows[part], ends=starts)

    def whole(self) -> NDArray[np.uint64]:
        """All entries as one sorted run."""
        return np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *self._runs]))

    def restore(self, run: NDArray[np.uint64]) -> None:
        """Take over what `whole` gave."""
        self._runs = [run] if len(run) else []


def _distinct(run: NDArray[np.uint64], rows: Numbers, *, ends: NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    sizes = ends[1] - ends[0]
    shift = np.cumsum(sizes) - sizes
    places = np.arange(int(sizes.sum())) + np.repeat(ends[0] - shift, sizes)
    pairs = distinct((np.repeat(rows, sizes).astype(np.uint64) << _half) | (run[places] & _low))
    return (pairs >> _half).astype(np.int64), (pairs & _low).astype(np.int64)
