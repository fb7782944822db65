"""Work that survives a kill: a corpus is done part by part, and a finished part is a file, whole or absent."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from seekloop.artifact.rows import Row, to_line
from seekloop.data.operators import Batch
from seekloop.system.errors import DataError
from seekloop.system.files import exclusive, write_whole

__all__ = ["Parts", "Step", "rows_a_part"]


def rows_a_part(rows: int) -> int:
    """How many rows of a corpus of `rows` are done between two saves: 256 to 4,096, and at least sixteen parts."""
    return min(4096, max(256, rows // 16))


class Parts:
    """The finished parts of one run, in a folder whose name says everything that decides what they hold.

    Args:
        folder: where they are kept until the dataset is committed.
        corpus: `rows.jsonl` of the corpus.
        size: rows a part (`rows_a_part`).
    """

    def __init__(self, folder: Path, corpus: Path, *, size: int) -> None:
        self.folder = folder
        self.corpus = corpus
        self.size = size
        self.found = 0
        """Parts that an earlier run had finished, of the last step that it had begun."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder to this process; the kernel lets go of it when the process ends, however it ends.

        Raises:
            DataError: another process is at the same run.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self.folder, busy=DataError("data.already_running", folder=self.folder)):
            names = [path.stem.rpartition("-")[0] for path in self.folder.glob("*-*.jsonl")]
            self.found = min(Counter(names).values(), default=0)
            yield

    def remove(self) -> None:
        """Remove everything: the dataset is committed."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Step:
    """What is made of the corpus, or of an earlier step, part by part.

    Args:
        parts: where they are kept.
        name: of the step.
        work: what is done to a part.
        of: the step before; None: the corpus.
    """

    def __init__(self, parts: Parts, name: str, work: Callable[[Batch], Batch], *, of: Step | None = None) -> None:
        self._parts = parts
        self._name = name
        self._work = work
        self._of = of

    def __iter__(self) -> Iterator[Batch]:
        """Every part in order: read where it is finished, made and kept where it is not."""
        for number, lines in enumerate(self._lines()):
            yield self._part(number, lines)

    def _lines(self) -> Iterator[list[bytes]]:
        """The corpus, cut into parts."""
        with self._parts.corpus.open("rb") as file:
            while lines := list(itertools.islice(file, self._parts.size)):
                yield lines

    def _part(self, number: int, lines: list[bytes]) -> Batch:
        path = self._parts.folder / f"{self._name}-{number:06d}.jsonl"
        if path.exists():
            return _read(path)
        given = self._of._part(number, lines) if self._of is not None else Batch(_rows(lines), {}, {})
        batch = self._work(given)
        head = json.dumps({"masked": dict(batch.masked), "normalised": dict(batch.normalised)}) + "\n"
        write_whole(path, (head + "".join(map(to_line, batch.rows))).encode())
        return batch


def _read(path: Path) -> Batch:
    with path.open("rb") as file:
        head = json.loads(next(file))
        return Batch(_rows(file), **head)


def _rows(lines: Iterable[bytes]) -> list[Row]:
    return [Row.model_validate_json(line) for line in lines]
