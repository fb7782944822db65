"""Word documents (DOCX, ISO/IEC 29500) into blocks: paragraphs by their styles, lists, tables, last-known page breaks.

Deleted text, comments, headers and footers are not the document. What it says now is: inserted text is read.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from seekloop.data.read.documents.blocks import Block, Document, table
from seekloop.system.errors import DataError
from seekloop.text.normalize import normalize

__all__ = ["read_docx"]

_w = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_compatibility = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_title = "{http://purl.org/dc/elements/1.1/}title"
_largest_part = 256 << 20
_heading_name = re.compile(r"^(?:heading|标题|überschrift|titre)\s*(\d)$", re.IGNORECASE)
_body_level = 9
Element = ElementTree.Element


def read_docx(path: Path, *, shown: str) -> Document:
    """The document of a DOCX file.

    Headings are paragraphs whose style, or a style that it is based on, is called a heading or has an outline level.
    Pages are counted where Word last broke them, and are None where it noted no break.

    Raises:
        DataError: it is no zip archive, damaged, or holds no document.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            body = _part(archive, "word/document.xml", shown=shown).find(f"{_w}body")
            names = set(archive.namelist())
            styles = _part(archive, "word/styles.xml", shown=shown) if "word/styles.xml" in names else None
            facts = _part(archive, "docProps/core.xml", shown=shown) if "docProps/core.xml" in names else None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise DataError("data.bad_docx", problem=str(error), where=shown) from error
    except RuntimeError as error:  # zipfile's word for a password
        raise DataError("data.document_locked", kind="DOCX", where=shown) from error
    if body is None:
        raise DataError("data.bad_docx", problem="it has no body", where=shown)
    walk = _Walk(_levels(styles), noted=body.find(f".//{_w}lastRenderedPageBreak") is not None)
    blocks = tuple(block for block in walk.blocks(body) if block.text)
    if walk.page == 1:
        blocks = tuple(replace(block, page=None) for block in blocks)
    named = facts.findtext(_title) if facts is not None else None
    heading = next((block.text for block in blocks if block.kind == "heading"), "")
    return Document(title=(named or "").strip() or heading, blocks=blocks, pages=walk.page if walk.page > 1 else None)


def _part(archive: zipfile.ZipFile, name: str, *, shown: str) -> Element:
    try:
        if archive.getinfo(name).file_size > _largest_part:
            raise DataError("data.bad_docx", problem=f"{name} unpacks to more than 256 MB", where=shown)
        data = archive.read(name)
    except KeyError as error:
        raise DataError("data.bad_docx", problem=f"{name} is not in it", where=shown) from error
    if b"<!DOCTYPE" in data[:4096]:  # never written by a word processor, and the way in for entity bombs
        raise DataError("data.bad_docx", problem=f"{name} declares a document type", where=shown)
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise DataError("data.bad_docx", problem=f"{name}: {error}", where=shown) from error


def _levels(styles: Element | None) -> Mapping[str, int]:
    """Style id -> level of heading, for the styles that are one."""
    own: dict[str, int] = {}
    based_on: dict[str, str] = {}
    for style in styles.iter(f"{_w}style") if styles is not None else ():
        identity = style.get(f"{_w}styleId", "")
        named = _heading_name.match(_value(style, "name"))
        outline = _value(style, f"pPr/{_w}outlineLvl")
        if _value(style, "name").lower() == "title":
            own[identity] = 1
        elif named:
            own[identity] = int(named[1])
        elif outline.isdecimal() and int(outline) < _body_level:
            own[identity] = int(outline) + 1
        based_on[identity] = _value(style, "basedOn")
    for identity in based_on:
        parent, steps = identity, 0
        while parent and parent not in own and steps < len(based_on):
            parent, steps = based_on.get(parent, ""), steps + 1
        if parent in own:
            own.setdefault(identity, own[parent])
    return own


def _value(element: Element, path: str) -> str:
    found = element.find(f"{_w}{path}")
    return found.get(f"{_w}val", "") if found is not None else ""


class _Walk:
    """One walk through the body, counting pages."""

    def __init__(self, levels: Mapping[str, int], *, noted: bool) -> None:
        self.page = 1
        self._levels = levels
        self._noted = noted
        """Whether Word noted where pages broke; else only the author's own breaks are known."""

    def blocks(self, parent: Element) -> Iterator[Block]:
        """The blocks below `parent`, in order."""
        for child in parent:
            if child.tag == f"{_w}p":
                yield self._paragraph(child)
            elif child.tag == f"{_w}tbl":
                yield self._table(child)
            elif child.tag in (f"{_w}sdt", f"{_w}sdtContent", f"{_w}ins", f"{_w}customXml", f"{_w}smartTag"):
                yield from self.blocks(child)

    def _paragraph(self, element: Element) -> Block:
        page = self.page
        raw = "".join(self._runs(element))
        # A break before the first word moves the whole paragraph to the next page.
        page = self.page if raw.startswith("\f") else page
        text = normalize(raw.replace("\f", "")).strip()
        style = _value(element, f"pPr/{_w}pStyle")
        outline = _value(element, f"pPr/{_w}outlineLvl")
        level = int(outline) + 1 if outline.isdecimal() and int(outline) < _body_level else self._levels.get(style, 0)
        if level:
            return Block(kind="heading", text=" ".join(text.split()), level=min(level, 6), page=page)
        numbering = element.find(f"{_w}pPr/{_w}numPr")
        if numbering is not None or style.lower().startswith("list"):
            depth = _value(numbering, "ilvl") if numbering is not None else "0"
            return Block(kind="item", text=text, level=int(depth) if depth.isdecimal() else 0, page=page)
        return Block(kind="paragraph", text=text, page=page)

    def _table(self, element: Element) -> Block:
        page = self.page
        rows = []
        for row in element.findall(f"{_w}tr"):
            cells = [cell for cell in row if cell.tag == f"{_w}tc"]
            rows.append([" ".join("".join(self._runs(p)) for p in cell.iter(f"{_w}p")) for cell in cells])
        return Block(kind="table", text=normalize(table(rows)).replace("\f", ""), page=page)

    def _runs(self, element: Element) -> Iterator[str]:
        """The pieces of a paragraph's text; a form feed where a page begins."""
        for child in element:
            if child.tag == f"{_w}t":
                yield child.text or ""
            elif child.tag == f"{_w}tab":
                yield " "
            elif child.tag == f"{_w}noBreakHyphen":
                yield "-"
            elif child.tag == f"{_w}lastRenderedPageBreak" or child.get(f"{_w}type") == "page":
                if self._noted == (child.tag == f"{_w}lastRenderedPageBreak"):
                    self.page += 1
                    yield "\f"
            elif child.tag in (f"{_w}br", f"{_w}cr"):
                yield "\n"
            elif child.tag not in (f"{_w}del", f"{_w}pPr", f"{_w}rPr", f"{_compatibility}Fallback"):
                yield from self._runs(child)
