"""What every reader gives: a stream of records, and what is known of their layout before the first one.

A reader is a function `open(source, desk)` that yields one `Stream` a file, sheet, table or endpoint. The table of
readers is `readers.py`; those of other packages enter through the entry-point group `seekloop.readers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from seekloop.artifact.context import RunContext
from seekloop.data.sources import SourceSpec
from seekloop.system.errors import DataError
from seekloop.text.encoding import Encoding

__all__ = ["Desk", "Opener", "Record", "Role", "Stream"]

Role = Literal["system", "user", "assistant", "tool", "call"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record as it stands in the source."""

    line: int
    """One-based line where it begins; its number where the source has no lines."""
    value: dict[str, Any] | None = None
    """The fields: JSON values."""
    problem: DataError | None = None
    """Why there is no value."""
    raw: str = ""
    """The text that could not be parsed."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What the row keeps beside its messages, such as the page and heading of a chunk: JSON values."""
    file: str | None = None
    """The file it stands in, where the stream is a whole folder; None: the stream's own name."""
    dropped: str | None = None
    """Why the row is left out, where the reader itself can tell: `speech_unclear`."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The records of one file, sheet, table or endpoint."""

    shown: str
    """How errors and rows name it."""
    container: str
    """What it was detected to be, for people: `csv.gz`, `sqlite`."""
    records: Iterator[Record]
    """Read once, one at a time."""
    source: SourceSpec
    """As given, with what is known of its `columns` and `format` put in."""
    encoding: Encoding | None = None
    """For text files."""
    names: Mapping[str, Role] = field(default_factory=dict)
    """What the source calls the speakers of a conversation, beside the usual names."""
    keys: tuple[str, str] | None = None
    """Names of a turn's speaker and content keys, where they are unusual."""

    @property
    def damaged(self) -> Encoding | None:
        """The encoding that some bytes of the file break; None: none does."""
        return self.encoding if self.encoding is not None and self.encoding.broken_line is not None else None


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a reader is given beside its source."""

    ctx: RunContext
    """`root` for relative paths, `work` for what must survive a crash, progress, clock, seed."""
    lenient: bool
    """Whether broken records become dropped rows; else the reading stops at the first."""

    def say(self, text: str) -> None:
        """Tell people what was detected, or left out."""
        self.ctx.progress.say(text)


Opener = Callable[[SourceSpec, Desk], Iterable[Stream]]
