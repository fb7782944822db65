"""Printed lines into blocks: headers and footers off, headings by size, tables by columns, lines into paragraphs."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from seekloop.data.read.documents.blocks import Block, Document, table
from seekloop.data.read.documents.lines import joined

__all__ = ["Cell", "Line", "document_of"]

_edge = 0.12
"""Share of a page's height at the top and at the bottom where headers and footers stand."""
_edge_lines = 2
_first_number, _last_number = re.compile(r"^(\d{1,4})\b"), re.compile(r"\b(\d{1,4})$")
_page_number = re.compile(
    r"(?:page\s*#+(?:\s*(?:of|/)\s*#+)?|第\s*#+\s*页.*|[-–—\s]*#+[-–—\s]*|#+\s*/\s*#+)", re.IGNORECASE
)
_leader = re.compile(r"(?:[.·•…]\s?){6,}[\divxlc]+$")
"""A line of a table of contents."""
_larger = 1.12
"""Of a heading's letters against the body's."""
_longest_heading = 90
_longest_cell = 60
_bullet = re.compile(r"^[•●○◦■□▪◆◇➢✓∙‣]\s*(?=\S)|^[·*–-]\s+(?=\S)|^[•●○◦■□▪◆◇➢✓∙‣]$")
_numbered = re.compile(
    r"^(?:[（(](?:\d+|[a-z]|[一二三四五六七八九十]+)[)）]|\d+[.、)](?!\d)|[一二三四五六七八九十]+、|第[\d一二三四五六七八九十百]+条)"
)
_chapter = re.compile(r"^第[\d一二三四五六七八九十百]+[章节編编篇]")
_ends = re.compile(r"[。！？!?.：:；;][\"'”’」』）)]*$")
_word = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A run of words without a wide gap in it; left and right in points."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """One printed line; places in points from the bottom left of the page."""

    cells: tuple[Cell, ...]
    top: float
    bottom: float
    size: float
    """Of the letters."""
    bold: bool
    page: int
    height: float
    """Of the page."""

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(cell.text for cell in self.cells)


def document_of(pages: Sequence[Sequence[Line]], *, title: str, keep_repeated: bool) -> Document:
    """The document that was printed.

    Args:
        pages: the lines of each page, in the order in which they are read.
        title: as the file calls itself; empty: its first heading.
        keep_repeated: whether lines that stand at the edge of most pages stay, and those of a table of contents.
    """
    empty = tuple(number for number, lines in enumerate(pages, start=1) if not lines)
    left_out: tuple[str, ...] = ()
    if not keep_repeated:
        pages = [[line for line in lines if not _leader.search(line.text)] for lines in pages]
        pages, left_out = _without_repeated(pages)
    every = [line for lines in pages for line in lines]
    scale = _Scale.of(every)
    words = frozenset(word.lower() for line in every for word in _word.findall(line.text))
    found: list[Block] = []
    for lines in pages:
        for block in _blocks(lines, scale, words=words):
            _put(found, block, words=words)
    heading = next((block.text for block in found if block.kind == "heading"), "")
    return Document(title=title or heading, blocks=tuple(found), pages=len(pages), left_out=left_out, empty_pages=empty)


def _put(found: list[Block], block: Block, *, words: frozenset[str]) -> None:
    """Add a block; a paragraph that breaks off at a page's end goes on."""
    last = found[-1] if found else None
    goes_on = last and last.kind in ("paragraph", "item") and block.kind == "paragraph" and last.page != block.page
    if last and goes_on and not _ends.search(last.text) and not _numbered.match(block.text):
        found[-1] = replace(last, text=joined([last.text, block.text], vocabulary=words))
    elif block.text:
        found.append(block)


def _without_repeated(pages: Sequence[Sequence[Line]]) -> tuple[list[list[Line]], tuple[str, ...]]:
    """The pages without the lines at their edges that most pages have, digits aside, or that count pages."""
    letters = Counter(size for lines in pages for line in lines for size in [line.size] * len(line.text))
    largest = 1.05 * letters.most_common(1)[0][0] if letters else 0.0  # what is larger is a heading
    edges = [[line for line in _edges(lines) if line.size <= largest] for lines in pages]
    forms = Counter(form for edge in edges for form in {_form(line) for line in edge})
    offsets = Counter(offset for edge in edges for offset in {one for line in edge for one in _offsets(line)})
    needed = max(2, min(len(pages) - 1, math.ceil(0.4 * len(pages))))
    left_out: dict[str, str] = {}
    kept: list[list[Line]] = []
    for lines, edge in zip(pages, edges, strict=True):
        repeated = {
            id(line)
            for line in edge
            if forms[_form(line)] >= needed
            or any(offsets[offset] >= max(3, needed) for offset in _offsets(line))
            or _page_number.fullmatch(_form(line))
        }
        kept.append([line for line in lines if id(line) not in repeated])
        for line in edge:
            if id(line) in repeated:
                left_out.setdefault(_form(line), line.text)
    return kept, tuple(left_out.values())


def _form(line: Line) -> str:
    return re.sub(r"\d", "#", line.text)


def _offsets(line: Line) -> set[tuple[str, int]]:
    """How far the first and the last number of a line are from its page: the same everywhere for page numbers."""
    first, last = _first_number.match(line.text), _last_number.search(line.text)
    found = {("first", int(first[1]) - line.page)} if first else set()
    return found | ({("last", int(last[1]) - line.page)} if last else set())


def _edges(lines: Sequence[Line]) -> list[Line]:
    """The lines near the top and the bottom of a page that a gap keeps apart from the rest, at most two each."""
    down = sorted(lines, key=lambda line: -line.bottom)
    gap = 1.3 * _pitch(down)
    top = [line for line in _apart(down, gap) if line.bottom > (1 - _edge) * line.height]
    return top + [line for line in _apart(down[::-1], gap) if line.top < _edge * line.height]


def _apart(lines: Sequence[Line], gap: float) -> Sequence[Line]:
    """The first lines, up to a step that is larger than `gap` heights of letters; none where no such step comes."""
    for count in range(1, _edge_lines + 1):
        near, far = lines[count - 1 : count], lines[count : count + 1]
        if near and (not far or abs(near[0].bottom - far[0].bottom) > gap * max(near[0].size, far[0].size)):
            return lines[:count]
    return ()


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """What is usual in a document."""

    body: float
    """Size of most letters."""
    sizes: tuple[float, ...]
    """Sizes of headings, the largest first."""
    right: float
    """Where full lines end."""

    @classmethod
    def of(cls, lines: Sequence[Line]) -> _Scale:
        letters: Counter[float] = Counter()
        for line in lines:
            letters[line.size] += len(line.text)
        body = letters.most_common(1)[0][0] if letters else 1.0
        large = {line.size for line in lines if line.size >= _larger * body and len(line.text) <= _longest_heading}
        rights = sorted(line.cells[-1].right for line in lines)
        right = rights[int(0.95 * (len(rights) - 1))] if rights else 0.0
        return cls(body=body, sizes=tuple(sorted(large, reverse=True)), right=right)

    def level(self, line: Line) -> int:
        """Of a heading; 0: it is none."""
        text = line.text
        if len(text) > _longest_heading or text.endswith(("。", "，", "；", ",", ";")) or not re.search(r"\w", text):
            return 0
        if line.size in self.sizes:
            return min(6, self.sizes.index(line.size) + 1)
        alone = line.cells[-1].right < 0.8 * self.right and not _ends.search(text) and len(line.cells) == 1
        is_marked = (line.bold and line.size >= self.body) or (_chapter.match(text) and len(text) <= 30)
        return min(6, len(self.sizes) + 1) if alone and is_marked else 0


def _blocks(lines: Sequence[Line], scale: _Scale, *, words: frozenset[str]) -> Iterator[Block]:
    """The blocks of one page."""
    pitch = _pitch(lines)
    at = 0
    while at < len(lines):
        rows = _table_rows(lines, at)
        if rows:
            yield Block(kind="table", text=table(rows[0]), page=lines[at].page)
            at += rows[1]
            continue
        end = at + 1
        level = scale.level(lines[at])
        while end < len(lines) and not _begins(lines[at:end], lines[end], scale=scale, pitch=pitch):
            if not level and _table_rows(lines, end):
                break
            end += 1
        yield _block(lines[at:end], level, words=words)
        at = end


def _block(lines: Sequence[Line], level: int, *, words: frozenset[str]) -> Block:
    text = joined([line.text for line in lines], vocabulary=words)
    page = lines[0].page
    if level:
        return Block(kind="heading", text=text, level=level, page=page)
    if _bullet.match(text):
        return Block(kind="item", text=_bullet.sub("", text).strip(), page=page)
    return Block(kind="paragraph", text=text, page=page)


def _pitch(lines: Sequence[Line]) -> float:
    """Distance from a line to the next within paragraphs, in heights of its letters: the lower quartile of all."""
    steps = [(a.bottom - b.bottom) / a.size for a, b in pairwise(lines) if a.size == b.size]
    close = sorted(step for step in steps if 0.8 < step < 3)
    return close[(len(close) - 1) // 4] if close else 1.5


def _begins(held: Sequence[Line], line: Line, *, scale: _Scale, pitch: float) -> bool:
    """Whether a line begins a new block after the lines `held`."""
    last = held[-1]
    level, before = scale.level(line), scale.level(held[0])
    if level or before:
        return level != before or last.size != line.size or last.bottom - line.bottom > 1.6 * pitch * line.size
    if _bullet.match(line.text) or _numbered.match(line.text):
        return not (len(held) == 1 and _bullet.fullmatch(last.text))
    step = (last.bottom - line.bottom) / max(last.size, line.size)
    if step < -0.5:  # up to the next column
        return bool(_ends.search(last.text))
    if step > 1.35 * pitch or abs(last.size - line.size) > 0.2 * scale.body:
        return True
    top = max((number for number, (a, b) in enumerate(pairwise(held), start=1) if b.bottom > a.bottom), default=0)
    column = held[top + (top == 0) :]  # the first line of a paragraph is often indented
    left = min(one.cells[0].left for one in column or held)
    if column and line.cells[0].left > left + 1.2 * line.size:
        return True
    is_short = last.cells[-1].right < scale.right - 0.12 * (scale.right - left)
    return is_short and bool(_ends.search(last.text))


def _table_rows(lines: Sequence[Line], at: int) -> tuple[list[list[str]], int] | None:
    """The rows of the table that begins at a line, and how many lines it takes; None: none does.

    A table is two lines or more of two cells or more that stand under each other in columns; a line without a cell in
    the first column goes on with the row above.
    """
    if len(lines[at].cells) < 2 or _bullet.match(lines[at].text):
        return None
    columns: list[tuple[float, float]] = []
    taken: list[Line] = []
    for line in lines[at:]:
        far = taken and taken[-1].bottom - line.top > 2.5 * line.size
        merged = None if far or _bullet.match(line.text) else _merged(columns, line)
        most = max(len(one.cells) for one in [*taken, line])
        if merged is None or len(merged) > most + 1 or (len(line.cells) < 2 and not _continues(merged, line)):
            break
        columns, taken = merged, [*taken, line]
    if sum(len(line.cells) > 1 for line in taken) < 2 or len(columns) < 2:
        return None
    cells = [cell.text for line in taken for cell in line.cells]
    if statistics.fmean(map(len, cells)) > _longest_cell:
        return None
    rows: list[list[str]] = []
    for line in taken:
        row = [""] * len(columns)
        for cell in line.cells:
            row[_column(columns, cell)] = cell.text
        if rows and not row[0]:
            rows[-1] = [joined([above, below]) for above, below in zip(rows[-1], row, strict=True)]
        else:
            rows.append(row)
    return rows, len(taken)


def _merged(columns: Sequence[tuple[float, float]], line: Line) -> list[tuple[float, float]] | None:
    """The columns widened by a line's cells; None where two cells of it would share one."""
    spans = sorted([*columns, *((cell.left, cell.right) for cell in line.cells)])
    result: list[tuple[float, float]] = []
    for left, right in spans:
        if result and left <= result[-1][1]:
            result[-1] = (result[-1][0], max(right, result[-1][1]))
        else:
            result.append((left, right))
    places = [_column(result, cell) for cell in line.cells]
    shrunk = len(result) < len(columns)
    return None if len(set(places)) < len(places) or shrunk else result


def _continues(columns: Sequence[tuple[float, float]], line: Line) -> bool:
    return _column(columns, line.cells[0]) > 0


def _column(columns: Sequence[tuple[float, float]], cell: Cell) -> int:
    return next(index for index, (left, right) in enumerate(columns) if left <= cell.left <= right)
