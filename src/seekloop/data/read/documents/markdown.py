"""Markdown and plain text into blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from seekloop.data.read.documents.blocks import Block, Document, table
from seekloop.data.read.documents.html import read_html
from seekloop.data.read.documents.lines import joined
from seekloop.system.lazy import need

__all__ = ["read_markdown", "read_plain"]

_front_matter = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_front_title = re.compile(r"^title:[ \t]*['\"]?(.+?)['\"]?[ \t]*$", re.MULTILINE)
_blank = re.compile(r"\n[ \t\u3000]*\n")
_indent = re.compile(r"^[ \t\u3000]{2,}\S")
_sentence_end = re.compile(r"[。！？!?.：:；;”\"』」）)]$")


def read_markdown(text: str) -> Document:
    """The document of a Markdown file (CommonMark with tables); links and emphasis leave their words, pictures nothing.

    Raises:
        MissingPackage: markdown-it-py is not installed.
    """
    front = _front_matter.match(text)
    named = _front_title.search(front[1]) if front else None
    parser = need("markdown_it", extra="data").MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(text[front.end() :] if front else text)
    blocks = tuple(block for block in _blocks(tokens) if block.text.strip())
    heading = next((block.text for block in blocks if block.kind == "heading"), "")
    return Document(title=named[1] if named else heading, blocks=blocks)


def read_plain(text: str) -> Document:
    """The document of plain text: paragraphs stand a blank line apart, or are indented, or each line is one.

    Lines belong together where they were wrapped by hand: nearly all that do not end a sentence are about as long.
    """
    blocks = []
    for part in _blank.split(text):
        lines = [line for line in part.splitlines() if line.strip()]
        starts = [0, *(n for n, line in enumerate(lines) if n and (_indent.match(line) or not _is_wrapped(lines, n)))]
        ends = [*starts[1:], len(lines)]
        blocks += [joined(lines[start:end]) for start, end in zip(starts, ends, strict=True) if lines]
    return Document(title="", blocks=tuple(Block(kind="paragraph", text=one) for one in blocks if one))


def _is_wrapped(lines: Sequence[str], number: int) -> bool:
    """Whether a line goes on with the one before, which is as long as any and may have been wrapped."""
    longest = max(map(len, lines))
    before = lines[number - 1].strip()
    return len(before) >= 0.8 * longest - 4 or not _sentence_end.search(before)


def _blocks(tokens: Sequence[Any]) -> Iterator[Block]:
    depth = 0
    rows: list[list[str]] = []
    for index, token in enumerate(tokens):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "table_close":
            yield Block(kind="table", text=table(rows))
            rows = []
        elif token.type == "inline":
            before = tokens[index - 1].type
            text = _words(token.children or [])
            if before == "heading_open":
                yield Block(kind="heading", text=text, level=int(tokens[index - 1].tag[1]))
            elif before in ("th_open", "td_open"):
                rows[-1].append(text)
            elif depth:
                yield Block(kind="item", text=text, level=depth - 1)
            else:
                yield Block(kind="paragraph", text=text)
        elif token.type in ("fence", "code_block"):
            yield Block(kind="code", text=f"```{token.info.strip()}\n{token.content.rstrip()}\n```")
        elif token.type == "html_block":
            yield from read_html(token.content).blocks


def _words(children: Sequence[Any]) -> str:
    """The words of inline tokens; a soft break joins lines as print does, a hard one stays."""
    parts = [""]
    for child in children:
        if child.type == "text":
            parts[-1] += child.content
        elif child.type == "code_inline":
            parts[-1] += f"`{child.content}`"
        elif child.type in ("softbreak", "hardbreak"):
            parts += ["\n"] * (child.type == "hardbreak") + [""]
    lines: list[list[str]] = [[]]
    for part in parts:
        if part == "\n":
            lines.append([])
        else:
            lines[-1].append(part)
    return "\n".join(filter(None, (joined(line) for line in lines)))
