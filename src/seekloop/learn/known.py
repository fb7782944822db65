"""What the model was taught: the rows that feedback is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.artifact.store import Store

__all__ = ["Known", "question_of", "trained_rows"]

Known = Callable[[], Iterable[Row]]
"""Gives the rows that the model was trained on, as often as it is called."""

_train = "train.jsonl"


def trained_rows(dataset: Dataset, *, store: Store) -> Iterable[Row]:
    """The train rows of a dataset; of one that has no such file, none."""
    return read_rows(store.path(dataset.id, _train)) if _train in dataset.files else ()


def question_of(row: Row) -> str:
    """The last thing that a user said in a row."""
    said = [turn.content for turn in row.messages if turn.role == "user"]
    return said[-1] if said else ""
