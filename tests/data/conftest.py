"""Small sources, and a progress that remembers what was said."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.data.read import read_corpus
from seekloop.data.spec import DataInputs, DataSpec, ReadSpec, SourceSpec
from seekloop.data.stage import run
from seekloop.system.progress import Silent, Task

Write = Callable[..., str]


class Listener:
    """A progress that keeps the lines said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Task]:
        with Silent().task(name, total=total) as task:
            yield task

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclasses.dataclass(frozen=True)
class Made:
    """A dataset with its rows at hand."""

    dataset: Dataset
    rows: dict[str, list[Row]]
    """By file: train, validation, test, dropped, calibration."""


@pytest.fixture
def said() -> Listener:
    """What progress was told."""
    return Listener()


@pytest.fixture
def room(ctx: RunContext, said: Listener) -> RunContext:
    """The context, with a progress that listens."""
    return dataclasses.replace(ctx, progress=said)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the project folder and give its name: text, bytes, or records as JSON Lines."""

    def write_file(name: str, content: str | bytes | Iterable[dict[str, Any]], *, encoding: str = "utf-8") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return name

    return write_file


@pytest.fixture
def read(room: RunContext) -> Callable[..., tuple[Corpus, list[Row]]]:
    """Read one source, given as keywords of its spec; the corpus and its rows."""

    def read_source(path: str, *, bad_rows: str = "refuse", **keys: Any) -> tuple[Corpus, list[Row]]:
        source = SourceSpec.parse({"path": path, **keys})
        corpus = read_corpus([source], ctx=room, spec=ReadSpec.parse({"bad_rows": bad_rows}))
        return corpus, list(read_rows(room.store.path(corpus.id, "rows.jsonl")))

    return read_source


@pytest.fixture
def make(room: RunContext) -> Callable[..., Made]:
    """Run the data stage on plain values of its spec."""

    def make_dataset(spec: dict[str, Any], *, corpus: Corpus | None = None, parent: Dataset | None = None) -> Made:
        dataset = run(DataSpec.parse(spec), DataInputs(corpus=corpus, parent=parent), ctx=room)
        names = ("train", "validation", "test", "dropped", "calibration")
        rows = {name: list(read_rows(room.store.path(dataset.id, f"{name}.jsonl"))) for name in names}
        return Made(dataset, rows)

    return make_dataset


@pytest.fixture
def read_source(room: RunContext) -> Callable[..., list[Row]]:
    """Read one source of any kind, given as keywords of its spec: its rows."""

    def read_rows_of(*, bad_rows: str = "refuse", **keys: Any) -> list[Row]:
        corpus = read_corpus([SourceSpec.parse(keys)], ctx=room, spec=ReadSpec.parse({"bad_rows": bad_rows}))
        return list(read_rows(room.store.path(corpus.id, "rows.jsonl")))

    return read_rows_of
