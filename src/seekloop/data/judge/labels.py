"""Files of rows that somebody knows to be noise, or to be none: text by line, or any table or JSON with a text."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from seekloop.artifact.rows import Message, Row, Source, row_id
from seekloop.data.read.columns import assign, listed
from seekloop.data.read.files import inspect, locate, open_text
from seekloop.data.read.records import container_of, records
from seekloop.data.spec import ColumnsSpec
from seekloop.system.errors import DataError

__all__ = ["examples"]

_samples = 64


def examples(path: str, *, root: Path) -> Iterator[Row]:
    """The rows of a file of examples: the text is the user's turn, the reply (where there is one) the answer.

    Raises:
        DataError: no such file, a broken record, or no column that holds the text.
    """
    file = inspect(locate(path, root=root), shown=path, encoding=None)
    if file.kind == "txt":
        with open_text(file) as stream:
            for line, text in enumerate(stream, start=1):
                if text.strip():
                    yield _row(text.strip(), "", path=path, line=line)
        return
    stream_of = records(file, container_of(file))
    head = list(itertools.islice(stream_of, _samples))
    columns = list(dict.fromkeys(column for record in head for column in record.value or {}))
    parts = assign(columns, ColumnsSpec(), shown=path)
    if "text" not in parts:
        raise DataError("data.missing_part", part="text", likely="NAME", found=listed(columns) or "none", where=path)
    for record in itertools.chain(head, stream_of):
        if record.problem is not None:
            raise record.problem
        value = record.value or {}
        text, reply = (str(value.get(parts.get(part, "")) or "") for part in ("text", "reply"))
        yield _row(text, reply, path=path, line=record.line)


def _row(text: str, reply: str, *, path: str, line: int) -> Row:
    answer = (Message(role="assistant", content=reply),) if reply.strip() else ()
    messages = (Message(role="user", content=text), *answer)
    return Row(id=row_id([text, reply]), messages=messages, source=Source(file=path, line=line))
