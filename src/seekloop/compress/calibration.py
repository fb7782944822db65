"""Calibration rows as ids, for every method that looks at data: from the dataset's own calibration split."""

from __future__ import annotations

from collections.abc import Iterator

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import Row, read_rows
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.system import digests
from seekloop.system.errors import DataError

__all__ = ["calibration_ids", "row_ids"]


def calibration_ids(
    dataset: Dataset | None, *, codec: Codec, store: Store, method: str, at_most: int | None = None
) -> Iterator[tuple[int, ...]]:
    """The ids of each calibration row, in the dataset's order: of a row with several sequences the longest one.

    Args:
        dataset: whose split is read.
        codec: of the checkpoint.
        store: where the dataset is.
        method: what looks at them, for the refusal.
        at_most: so many rows, the first ones; None: all.

    Raises:
        DataError: there is no dataset, its calibration split is empty or missing, or a row cannot be encoded.
    """
    if dataset is None:
        raise DataError("compress.no_dataset", method=method)
    path = store.folder(dataset.id) / "calibration.jsonl"
    count = 0
    for row in read_rows(path) if path.is_file() else ():
        if count == at_most:
            return
        count += 1
        yield row_ids(row, codec)
    if not count:
        raise DataError("compress.no_calibration", dataset=digests.short(dataset.id), method=method)


def row_ids(row: Row, codec: Codec) -> tuple[int, ...]:
    """The ids of a row; where it has several sequences, the longest.

    Raises:
        DataError: the codec cannot encode it.
    """
    return codec.text_ids(row.messages[0].content) if row.plain else max((v.ids for v in codec.views(row)), key=len)
