"""Blocks into chunks: whole sentences and table rows up to a size, each with its page, heading and place.

The document's text is its blocks in Markdown, one blank line apart, list items on lines of their own. A chunk is a
stretch of that text, and its offsets are places in it; only the head of a table that goes on from the chunk before is
put there once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seekloop.data.media import ChunkSpec
from seekloop.data.read.documents.blocks import Block, Document
from seekloop.text.segment import tokens
from seekloop.text.sentences import sentences

__all__ = ["Chunk", "chunks"]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A piece of a document."""

    number: int
    """One-based."""
    text: str
    """In Markdown."""
    page: int | None
    """One-based page that it begins on."""
    heading: tuple[str, ...]
    """The headings that it begins under, the highest first."""
    start: int
    end: int
    """Characters of the document's text."""


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """What is never cut: a heading, a sentence, a list item's sentence, a table row, a line of code."""

    text: str
    """With what follows it up to the next unit."""
    start: int
    page: int | None
    heading: tuple[str, ...]
    size: int
    is_heading: bool = False
    head: str = ""
    """For the rows of a table: its first two lines."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def chunks(document: Document, spec: ChunkSpec) -> Iterator[Chunk]:
    """The chunks of a document, in order.

    A heading begins a new chunk where the one before is at least half full, and never stands last in one.
    """
    units = list(_units(document.blocks, spec))
    held: list[_Unit] = []
    fresh = 0
    number = 0
    for index, unit in enumerate(units):
        # A heading must find room for what it stands over.
        following = next((one.size for one in units[index + 1 :] if not one.is_heading), 0) if unit.is_heading else 0
        size = _sum(held, spec)
        full = size + unit.size + following > spec.size
        ripe = unit.is_heading and 2 * size >= spec.size
        if fresh and (full or ripe) and not all(one.is_heading for one in held):
            number += 1
            yield _chunk(held, number)
            held, fresh = ([] if unit.is_heading else _overlap(held, spec, room=spec.size - unit.size)), 0
        held.append(unit)
        fresh += 1
    if fresh:
        yield _chunk(held, number + 1)


def _units(blocks: Sequence[Block], spec: ChunkSpec) -> Iterator[_Unit]:
    """All units with their places; the text between two blocks belongs to the former."""
    at = 0
    path: dict[int, str] = {}
    for index, block in enumerate(blocks):
        if block.kind == "heading":
            path = {level: text for level, text in path.items() if level < block.level} | {block.level: block.text}
        text = block.markdown
        following = blocks[index + 1].kind if index + 1 < len(blocks) else None
        gap = "" if following is None else "\n" if block.kind == following == "item" else "\n\n"
        heading = tuple(path[level] for level in sorted(path))
        lines = text.split("\n")
        head = "\n".join(lines[:2]) if block.kind == "table" else ""
        parts = _parts(block, text)
        for number, part in enumerate(parts):
            whole = part + gap if number == len(parts) - 1 else part
            yield _Unit(
                text=whole,
                start=at,
                page=block.page,
                heading=heading,
                size=_size(whole, spec),
                is_heading=block.kind == "heading",
                head=head if number else "",
            )
            at += len(whole)


def _parts(block: Block, text: str) -> list[str]:
    if block.kind == "heading":
        return [text]
    if block.kind == "code":
        return re.findall(r".*\n|.+$", text)
    if block.kind == "table":
        lines = [f"{line}\n" for line in text.split("\n")]
        first = "".join(lines[:3])  # the head is never alone
        return [part.removesuffix("\n") if last else part for part, last in _marked([first, *lines[3:]])]
    return [text[start:end] for start, end in sentences(text)]


def _marked(parts: Sequence[str]) -> list[tuple[str, bool]]:
    return [(part, number == len(parts) - 1) for number, part in enumerate(parts)]


def _size(text: str, spec: ChunkSpec) -> int:
    return len(text) if spec.unit == "characters" else len(tokens(text))


def _sum(units: Sequence[_Unit], spec: ChunkSpec) -> int:
    repeated = _size(units[0].head, spec) if units else 0
    return repeated + sum(unit.size for unit in units)


def _overlap(held: Sequence[_Unit], spec: ChunkSpec, *, room: int) -> list[_Unit]:
    """The last whole units that fit into the overlap; headings and table rows are not said twice."""
    taken: list[_Unit] = []
    for unit in reversed(held):
        if unit.is_heading or unit.text.startswith("|") or _sum([unit, *taken], spec) > min(spec.overlap, room):
            break
        taken.insert(0, unit)
    return taken if len(taken) < len(held) else taken[1:]


def _chunk(units: Sequence[_Unit], number: int) -> Chunk:
    first, last = units[0], units[-1]
    text = "".join(unit.text for unit in units)
    kept = text.rstrip()
    return Chunk(
        number=number,
        text=f"{first.head}\n{kept}" if first.head else kept,
        page=first.page,
        heading=first.heading,
        start=first.start,
        end=last.end - (len(text) - len(kept)),
    )
