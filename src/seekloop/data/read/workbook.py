"""XLSX: the rows of a sheet under its header, streamed through openpyxl (extra `data`).

A title above the header is skipped, a header of two rows becomes `group.name`, merged cells have their value in every
row, and numbers keep the zeros that their format shows, as in telephone and account numbers.
"""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from seekloop.data.read.stream import Record
from seekloop.data.read.values import plain
from seekloop.system.errors import DataError
from seekloop.system.lazy import need

__all__ = ["Sheet", "open_sheet"]

_merge = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_block = 1 << 20
_overlap = 64
_top = 10
_zeros = re.compile(r"0{2,}")
_damage = (KeyError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, ParseError)
"""What openpyxl and its XML parser raise for a file that is not as it should be."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One sheet of a workbook."""

    name: str
    others: tuple[str, ...]
    """The other sheets, which are not read."""
    records: Iterator[Record]


@dataclass(frozen=True)
class _Merge:
    """A merged range; rows and columns count from one."""

    row: int
    column: int
    last_row: int
    last_column: int


def open_sheet(path: Path, *, wanted: str | None, shown: str) -> Sheet:
    """A sheet by its name; the first one where none is named.

    Raises:
        DataError: no such sheet, or the file is damaged.
        MissingPackage: openpyxl is not installed.
    """
    openpyxl = need("openpyxl", extra="data")
    need("defusedxml", extra="data")  # with it openpyxl refuses entities
    with _whole(shown):
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        names = [sheet.title for sheet in book.worksheets]
    chosen = wanted or next(iter(names), "")
    if chosen not in names:
        raise DataError("data.no_sheet", name=wanted or "-", known=", ".join(names) or "-", where=shown)
    others = tuple(name for name in names if name != chosen)
    return Sheet(name=chosen, others=others, records=_records(book, chosen, path=path, shown=shown))


@contextlib.contextmanager
def _whole(shown: str) -> Iterator[None]:
    """What a damaged workbook raises, as a sentence."""
    try:
        yield
    except _damage as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError("data.damaged", container="xlsx", problem=problem, where=shown) from error


def _records(book: Any, name: str, *, path: Path, shown: str) -> Iterator[Record]:
    sheet = book[name]
    try:
        with _whole(shown):
            merges = _merges(path, book.worksheets.index(sheet), shown=shown)
            sheet.reset_dimensions()
        rows = _rows(sheet, merges, shown=shown)
        header, last = _header(rows, merges)
        doubled = sorted({column for column in header if column and header.count(column) > 1})
        if doubled:
            raise DataError("data.column_twice", column=doubled[0], where=f"{shown}:{last}")
        for number, values in rows:
            named = {column: value for column, value in zip(header, values, strict=False) if column}
            if any(value is not None and value != "" for value in named.values()):
                yield Record(line=number, value=named)
    finally:
        book.close()


def _rows(sheet: Any, merges: Sequence[_Merge], *, shown: str) -> Iterator[tuple[int, list[Any]]]:
    """Row numbers and values, merged cells filled in."""
    begins: dict[int, list[_Merge]] = {}
    for merge in merges:
        begins.setdefault(merge.row, []).append(merge)
    active: list[tuple[_Merge, Any]] = []
    cells = iter(sheet.iter_rows())
    number = 0
    while True:
        with _whole(shown):
            row = next(cells, None)
        if row is None:
            return
        number += 1
        values = [_value(cell) for cell in row]
        active = [(merge, value) for merge, value in active if merge.last_row >= number]
        for merge in begins.get(number, ()):
            active.append((merge, values[merge.column - 1] if merge.column <= len(values) else None))
        for merge, value in active:
            values += [None] * (merge.last_column - len(values))
            values[merge.column - 1 : merge.last_column] = [value] * (merge.last_column - merge.column + 1)
        yield number, values


def _value(cell: Any) -> Any:
    value = cell.value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and _zeros.fullmatch(cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))
    return plain(value)


def _header(rows: Iterator[tuple[int, list[Any]]], merges: Sequence[_Merge]) -> tuple[list[str], int]:
    """The names of the columns and the last row that they stand in: the first row with two different cells."""
    for number, values in rows:
        if len({str(value) for value in values if value is not None}) > 1 or (values and number >= _top):
            break
    else:
        return [], 0
    names = [_name(value) for value in values]
    starting = [merge for merge in merges if merge.row == number]
    last = max([number, *(merge.last_row for merge in starting)])
    if last == number and any(merge.last_column > merge.column for merge in starting):
        last += 1
    for place in range(number + 1, last + 1):
        number, below = next(rows, (place, []))
        under = [_name(value) for value in below]
        names += [""] * (len(under) - len(names))
        under += [""] * (len(names) - len(under))
        pairs = zip(names, under, strict=True)
        names = [f"{above}.{name}" if above and name and name != above else above or name for above, name in pairs]
    return names, number


def _name(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _merges(path: Path, index: int, *, shown: str) -> list[_Merge]:
    """The merged ranges of a sheet: openpyxl does not give them where it streams."""
    found: list[_Merge] = []
    with zipfile.ZipFile(path) as archive, archive.open(_member(archive, index, shown=shown)) as sheet:
        before = b""
        while block := sheet.read(_block):
            text = before + block
            for match in _merge.finditer(text):
                column, last = _column(match[1]), _column(match[3])
                found.append(_Merge(int(match[2]), column, int(match[4]), last))
            end = max((match.end() for match in _merge.finditer(text)), default=0)
            before = text[max(end, len(text) - _overlap) :]
    return found


def _member(archive: zipfile.ZipFile, index: int, *, shown: str) -> str:
    """The name of the file in the archive that holds the sheet of this place in the workbook."""
    etree = need("defusedxml.ElementTree", extra="data")
    with _whole(shown):
        book = etree.fromstring(archive.read("xl/workbook.xml"))
        links = etree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {link.get("Id"): (link.get("Target"), link.get("Type", "")) for link in links}
    sheets = [node for node in book.iter() if node.tag.endswith("}sheet")]
    ids = [next(value for key, value in node.attrib.items() if key.endswith("}id")) for node in sheets]
    # A sheet that is only a chart is none of the worksheets.
    files = [targets[identity][0] for identity in ids if targets[identity][1].endswith("/worksheet")]
    return str(files[index]).removeprefix("/") if str(files[index]).startswith("/") else f"xl/{files[index]}"


def _column(letters: bytes) -> int:
    """`A` is 1, `AA` is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
