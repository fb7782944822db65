"""Parquet: rows by batches, through pyarrow (extra `data`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seekloop.data.read.stream import Record
from seekloop.data.read.values import plain
from seekloop.system.errors import DataError
from seekloop.system.lazy import need

__all__ = ["parquet_rows"]

_batch = 1_024


def parquet_rows(path: Path, *, shown: str) -> Iterator[Record]:
    """The rows of a file, numbered from one; memory holds a batch and what its column chunks need.

    Raises:
        DataError: it is damaged, or two columns have one name.
        MissingPackage: pyarrow is not installed.
    """
    parquet = need("pyarrow.parquet", extra="data")
    arrow = need("pyarrow", extra="data")
    try:
        file = parquet.ParquetFile(path, pre_buffer=False)
        names = file.schema_arrow.names
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise DataError("data.column_twice", column=doubled[0], where=shown)
        line = 0
        for batch in file.iter_batches(batch_size=_batch):
            for value in batch.to_pylist():
                line += 1
                yield Record(line=line, value=plain(value))
    except (arrow.ArrowException, OSError) as error:
        raise DataError("data.damaged", container="parquet", problem=_first_line(error), where=shown) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
