"""PDF into printed lines, with where they stand and how large they are; `layout` makes blocks of them."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seekloop.data.read.documents.blocks import Document
from seekloop.data.read.documents.layout import Cell, Line, document_of
from seekloop.system.errors import DataError
from seekloop.system.lazy import need
from seekloop.text.normalize import normalize

__all__ = ["read_pdf"]

_wrong_password = "password"
_cell_gap = 0.9
"""Space between two cells of a table, in heights of the letters; words stand nearer."""
_soft_hyphens = {"\u0002": "\u00ad", "\ufffe": "\u00ad"}
"""What pdfium gives for a hyphen that breaks a word at a line's end."""
_most_unreadable = 0.3


def read_pdf(path: Path, *, shown: str, keep_repeated: bool = False) -> Document:
    """The document of a PDF with a text layer.

    Args:
        path: the file.
        shown: how to name it.
        keep_repeated: whether headers, footers and page numbers stay.

    Raises:
        DataError: it wants a password, is damaged, or has no text: a scan, or fonts without Unicode.
        MissingPackage: pypdfium2 is not installed.
    """
    pdfium = need("pypdfium2", extra="data")
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if _wrong_password in str(error).lower():
            raise DataError("data.document_locked", kind="PDF", where=shown) from error
        raise DataError("data.bad_pdf", problem=str(error), where=shown) from error
    try:
        pages = [_lines(document, index, shown=shown) for index in range(len(document))]
        title = str(document.get_metadata_dict().get("Title", "")).strip()
    finally:
        document.close()
    text = "".join(cell.text for lines in pages for line in lines for cell in line.cells)
    unreadable = sum(unicodedata.category(letter) in ("Co", "Cn", "Cc") or letter == "\ufffd" for letter in text)
    if not text.strip() or unreadable > _most_unreadable * len(text):
        raise DataError("data.no_text_layer", pages=len(pages), where=shown)
    return document_of(pages, title=title, keep_repeated=keep_repeated)


@dataclass
class _Held:
    """A line in the making."""

    cells: list[Cell] = field(default_factory=list)
    size: float = 0.0
    measured: bool = False
    """Whether the size is a letter's; a bullet's is often another."""
    bold: bool = False
    top: float = 0.0
    bottom: float = 0.0
    _text: str = ""
    _left: float = 0.0
    _right: float = 0.0

    def put(self, letter: str, box: tuple[float, float, float, float]) -> None:
        """Add a letter; a wide gap before it begins a new cell."""
        left, bottom, right, top = box
        if self._text.strip() and left - self._right > _cell_gap * self.size and not letter.isspace():
            self.close()
        if not self._text.strip():
            self._text, self._left = "", left
        if not self.cells and not self._text:
            self.top, self.bottom = top, bottom
        self._text += letter
        if not letter.isspace():
            self._right = right
            self.top, self.bottom = max(self.top, top), min(self.bottom, bottom)

    def close(self) -> None:
        """End the cell."""
        text = normalize(self._text).strip()
        if self._text.rstrip().endswith("\u00ad"):  # normalize drops it as unseen, but it says that a word goes on
            text += "\u00ad"
        if text:
            self.cells.append(Cell(text=text, left=self._left, right=self._right))
        self._text = ""


def _lines(document: Any, index: int, *, shown: str) -> list[Line]:
    """The lines of a page in the order in which they were printed."""
    pdfium = need("pypdfium2", extra="data")
    try:
        page = document[index]
        print_ = page.get_textpage()
    except pdfium.PdfiumError as error:
        raise DataError("data.bad_pdf", problem=f"page {index + 1}: {error}", where=shown) from error
    try:
        height = float(page.get_height())
        lines = [held for held in _held_lines(print_) if held.cells]
    finally:
        print_.close()
        page.close()
    return [
        Line(
            cells=tuple(held.cells),
            top=held.top,
            bottom=held.bottom,
            size=round(2 * held.size) / 2,
            bold=held.bold,
            page=index + 1,
            height=height,
        )
        for held in lines
    ]


def _held_lines(print_: Any) -> Iterator[_Held]:
    raw = need("pypdfium2.raw", extra="data")
    held = _Held()
    for index in range(print_.count_chars()):
        letter = chr(raw.FPDFText_GetUnicode(print_, index))
        letter = _soft_hyphens.get(letter, letter)
        if letter in "\r\n":
            held.close()
            yield held
            held = _Held()
            continue
        if not letter.isspace() and (not held.size or (letter.isalnum() and not held.measured)):
            held.size = _size(raw, print_, at=index)
            held.bold = _is_bold(raw, print_, at=index)
            held.measured = letter.isalnum()
        if held.size:
            held.put(letter, print_.get_charbox(index, loose=True))
    held.close()
    yield held


def _size(raw: Any, print_: Any, *, at: int) -> float:
    """Height of a letter's font in points: the font's size under the text's matrix."""
    matrix = raw.FS_MATRIX()
    known = raw.FPDFText_GetMatrix(print_, at, ctypes.byref(matrix))
    scale = (matrix.b**2 + matrix.d**2) ** 0.5 if known else 1.0
    return float(raw.FPDFText_GetFontSize(print_, at)) * (scale or 1.0) or 1.0


def _is_bold(raw: Any, print_: Any, *, at: int) -> bool:
    """Whether the font's name says so."""
    length = raw.FPDFText_GetFontInfo(print_, at, None, 0, None)
    if length <= 1:
        return False
    name = ctypes.create_string_buffer(length)
    raw.FPDFText_GetFontInfo(print_, at, name, length, None)
    folded = name.value.decode("utf-8", "replace").lower()
    return any(word in folded for word in ("bold", "black", "heavy", "simhei", "-hei", "heiti"))
