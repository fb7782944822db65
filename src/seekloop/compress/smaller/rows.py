"""Rows of a dataset as views for measuring and training, with everything refused that would teach the wrong thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.compress.method import Work
from seekloop.model.codec import Codec, View
from seekloop.runtime.leaks import leaked
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["Rows", "open_rows", "views_of"]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the methods of this folder read of a dataset."""

    dataset: Dataset
    train: tuple[Row, ...]
    """Some may end with a question: the teacher answers them."""
    validation: tuple[Row, ...]
    calibration: tuple[Row, ...]


def open_rows(work: Work, *, what: str, at_most: int) -> Rows:
    """The rows, as many calibration rows as are asked for at most.

    Raises:
        ModelError: there is no dataset, its calibration or train split is empty, or test rows are among the train rows.
    """
    if work.dataset is None:
        raise ModelError("compress.needs_rows", method=what)
    dataset, store = work.dataset, work.ctx.store
    splits = {
        name: tuple(read_rows(store.path(dataset.id, f"{name}.jsonl")))
        for name in ("train", "validation", "test", "calibration")
    }
    for name in ("train", "calibration"):
        if not splits[name]:
            raise ModelError("compress.split_empty", method=what, split=name, id=digests.short(dataset.id))
    found = leaked(splits["train"], splits["test"])
    if found:
        raise ModelError("compress.rows_leaked", count=len(found), first=found[0].id)
    return Rows(
        dataset=dataset,
        train=splits["train"],
        validation=splits["validation"],
        calibration=splits["calibration"][:at_most],
    )


def views_of(rows: Sequence[Row], codec: Codec, *, context: int) -> list[list[View]]:
    """The views of each row.

    Raises:
        ModelError: a row is longer than the model's context; nothing is cut.
        DataError: a row cannot be encoded.
    """
    found = [codec.views(row) for row in rows]
    long = [row.id for row, views in zip(rows, found, strict=True) if max(len(view.ids) for view in views) > context]
    if long:
        raise ModelError("compress.rows_too_long", count=len(long), limit=context, first=long[0])
    return found
