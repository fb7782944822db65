"""Work that survives a kill: a corpus is sifted part by part, and a finished part is a file, whole or absent."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from seekloop.artifact.rows import Row, to_line
from seekloop.data.operators import Batch
from seekloop.system.errors import DataError
from seekloop.system.files import exclusive, write_whole

__all__ = ["Parts", "rows_a_part"]


def rows_a_part(rows: int) -> int:
    """How many rows of a corpus of `rows` are done between two saves: 256 to 4,096, and at least sixteen parts."""
    return min(4096, max(256, rows // 16))


class Parts:
    """The sifted parts of one run, in a folder whose name says everything that decides what they hold.

    Args:
        folder: where they are kept until the dataset is committed.
        corpus: `rows.jsonl` of the corpus.
        sift: what is done to the rows of a part.
        size: rows a part (`rows_a_part`).
    """

    def __init__(self, folder: Path, corpus: Path, *, sift: Callable[[Batch], Batch], size: int) -> None:
        self.folder = folder
        self.corpus = corpus
        self.found = 0
        """Parts that an earlier run had finished."""
        self._sift = sift
        self._size = size

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder to this process; the kernel lets go of it when the process ends, however it ends.

        Raises:
            DataError: another process is at the same run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder, busy=DataError("data.already_running", folder=self.folder)):
            self.found = len(list(self.folder.glob("part-*.jsonl")))
            yield

    def __iter__(self) -> Iterator[Batch]:
        """Every part in order: read where it is finished, made and kept where it is not."""
        with self.corpus.open("rb") as file:
            for number in itertools.count():
                lines = list(itertools.islice(file, self._size))
                if not lines:
                    return
                path = self.folder / f"part-{number:06d}.jsonl"
                yield _read(path) if path.exists() else self._made(path, lines)

    def remove(self) -> None:
        """Remove everything: the dataset is committed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _made(self, path: Path, lines: list[bytes]) -> Batch:
        batch = self._sift(Batch([Row.model_validate_json(line) for line in lines], {}, {}))
        head = json.dumps({"masked": dict(batch.masked), "normalised": dict(batch.normalised)}) + "\n"
        write_whole(path, (head + "".join(map(to_line, batch.rows))).encode())
        return batch


def _read(path: Path) -> Batch:
    with path.open("rb") as file:
        head = json.loads(next(file))
        return Batch([Row.model_validate_json(line) for line in file], **head)
