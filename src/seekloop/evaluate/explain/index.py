"""The sketches of all training rows of a checkpoint, in files that are made once, row by row, and gone on with."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.rows import Row
from seekloop.system.errors import DataError
from seekloop.system.files import disk_full_is_a_sentence, exclusive
from seekloop.system.progress import Progress

__all__ = ["Index", "Sketch"]

Sketch = NDArray[np.float32]
_at_once = 512
"""Rows that are read at a time: 16 MB."""


class Index:
    """`sketches.f16`, [rows, width] in half precision, and `rows.jsonl`, a line each: row id and its gradient's length.

    Args:
        folder: of this checkpoint and these datasets alone.
        width: numbers a sketch.
    """

    def __init__(self, folder: Path, *, width: int) -> None:
        self.folder = folder
        self._width = width
        self._sketches, self._rows = folder / "sketches.f16", folder / "rows.jsonl"

    def __len__(self) -> int:
        """Rows that are whole in both files."""
        if not self._rows.is_file() or not self._sketches.is_file():
            return 0
        with self._rows.open("rb") as file:
            lines = sum(line.endswith(b"\n") for line in file)
        return min(lines, self._sketches.stat().st_size // (2 * self._width))

    def complete(
        self, rows: Iterable[Row], sketch: Callable[[Row], tuple[Sketch, float]], *, progress: Progress
    ) -> None:
        """Add the rows that are not in it yet; killed at any moment, it goes on where it was.

        Args:
            rows: all rows, in the same order each time.
            sketch: the sketch of one row, [width], and its gradient's length.
            progress: is told how far it is.

        Raises:
            DataError: another process is at it.
            ArtifactError: the disk is full; what is there stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder, busy=DataError("evaluate.explain_busy", folder=self.folder)):
            done = self._cut()
            with (
                disk_full_is_a_sentence(self.folder),
                self._sketches.open("ab") as values,
                self._rows.open("a", encoding="utf-8") as lines,
                progress.task("read training rows", total=None, done=done) as bar,
            ):
                for number, row in enumerate(rows):
                    if number < done:
                        continue
                    found, length = sketch(row)
                    values.write(found.astype("<f2").tobytes())
                    values.flush()
                    lines.write(json.dumps({"row": row.id, "length": round(length, 6)}) + "\n")
                    lines.flush()
                    bar.advance()

    def scores(self, query: Sketch) -> Iterator[NDArray[np.float32]]:
        """The product of `query` with each row's sketch, block by block."""
        count = len(self)
        if not count:
            return
        values = np.memmap(self._sketches, dtype="<f2", mode="r", shape=(count, self._width))
        for at in range(0, count, _at_once):
            yield values[at : at + _at_once].astype(np.float32) @ query

    def _cut(self) -> int:
        """Cut both files to the rows that are whole in both; returns how many."""
        done = len(self)
        if self._rows.is_file():
            with self._rows.open("rb") as file:
                _shorten(self._rows, sum(len(line) for line in itertools.islice(file, done)))
        if self._sketches.is_file():
            _shorten(self._sketches, done * 2 * self._width)
        return done


def _shorten(path: Path, size: int) -> None:
    """Cut a file to `size` bytes; one that has them is not touched."""
    if path.stat().st_size != size:
        os.truncate(path, size)
