"""The one small record that flows through every block: a conversation with its label, source and reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from seekloop.system import digests

__all__ = ["Message", "Role", "Row", "Source", "epoch_file", "read_rows", "row_id", "to_line", "write_rows"]

Role = Literal["system", "user", "assistant", "tool"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Message(_Record):
    """One turn of a conversation, in OpenAI's form."""

    role: Role
    content: str = ""
    reasoning: str | None = None
    """What stands between `<think>` and `</think>`; None: no reasoning was recorded."""
    tool_calls: tuple[dict[str, Any], ...] = ()
    """OpenAI tool calls: `{"id"?, "type"?, "function": {"name", "arguments"}}`."""
    train: bool | None = None
    """Whether an assistant turn is trained; None: trained."""


class Source(_Record):
    """Where a row was read."""

    file: str
    line: int
    """One-based line, or record number where the format has no lines."""


class Row(_Record):
    """A conversation, or a message with its label, on its way from a source to a trained model."""

    id: str
    """`row:` and 16 hex digits: a digest of what was read, so it survives cleaning and is the same everywhere. The same
    record read a second time is another row, `…-2`."""
    messages: tuple[Message, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    """JSON schemas of the tools that the conversation may call."""
    rejected: tuple[Message, ...] = ()
    """For preferences: the worse answer, in place of the turns after the last one of the user."""
    desirable: bool | None = None
    """For KTO: whether the answer is one to learn or one to unlearn; None: nobody said."""
    plain: bool = False
    """Whether the row is plain text for continued pre-training, held by its only message."""
    label: str | None = None
    """The intent or class, for rows that have one; several are joined by `text.labelled.SEPARATOR`."""
    labels: tuple[str, ...] = ()
    """The labels one by one, for rows that have several; empty for the others."""
    source: Source
    subject: str | None = None
    """A person's pseudonymous id, kept so that the row can be traced and erased."""
    origin: str | None = None
    """The answer id that this row came back from, for rows that production sent."""
    dropped: str | None = None
    """Why the row was left out: a reason code such as `duplicate_exact`; None for rows that are kept."""
    twin: str | None = None
    """For duplicates: the id of the row that was kept instead."""
    meta: dict[str, Any] = Field(default_factory=dict)


def row_id(content: Any) -> str:
    """The id of a row that was read as `content` (a JSON value)."""
    return f"row:{digests.of_json(content).removeprefix('sha256:')[:16]}"


def epoch_file(number: int) -> str:
    """The dataset file of the train rows that an epoch sees in other words; the first epoch has none."""
    return f"epoch-{number}.jsonl"


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of one of our own JSONL files, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield Row.model_validate_json(line)


def to_line(row: Row) -> str:
    """The row as one line of JSON, leaving out what is at its default."""
    return row.model_dump_json(exclude_defaults=True) + "\n"


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSONL; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(to_line(row))
            count += 1
    return count
