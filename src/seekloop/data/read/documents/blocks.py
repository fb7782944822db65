"""What a document consists of, whatever it was written in: headings, paragraphs, list items and tables, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Block", "Document", "table"]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One piece of a document."""

    kind: Literal["heading", "paragraph", "item", "table", "code"]
    text: str
    """Its words; a table in Markdown, a row a line with the head first."""
    level: int = 0
    """Of a heading, 1 for the highest; of a list item, 0 for the outermost."""
    page: int | None = None
    """One-based page that it begins on; None where there are no pages."""

    @property
    def markdown(self) -> str:
        """The text as it stands in a chunk."""
        if self.kind == "heading":
            return f"{'#' * self.level} {self.text}"
        return f"{'  ' * self.level}- {self.text}" if self.kind == "item" else self.text


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document, read."""

    title: str
    """Its own title, else its first heading; empty: neither."""
    blocks: tuple[Block, ...]
    pages: int | None = None
    """How many; None where there are no pages."""
    left_out: tuple[str, ...] = ()
    """Lines that repeat on most pages, as they stand on the first page that has them."""
    empty_pages: tuple[int, ...] = ()
    """Pages without a word."""


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head, and short rows are filled up. Empty where no cell has text."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return ""
    width = max(map(len, cells))
    head, *body = [row + [""] * (width - len(row)) for row in cells]
    lines = [head, ["---"] * width, *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
