"""What the model was taught: the rows that corrections are held against."""

from __future__ import annotations

from collections.abc import Iterable

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.artifact.store import Store

__all__ = ["trained_rows"]

_train = "train.jsonl"


def trained_rows(dataset: Dataset, *, store: Store) -> Iterable[Row]:
    """The train rows of a dataset; of one that has no such file, none."""
    return read_rows(store.path(dataset.id, _train)) if _train in dataset.files else ()
