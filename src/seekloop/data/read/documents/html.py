"""HTML into blocks: an HTML5 tree is walked, and what is not the document (menus, scripts, forms) is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from seekloop.data.read.documents.blocks import Block, Document, table
from seekloop.data.read.documents.lines import joined
from seekloop.system.lazy import need
from seekloop.text.normalize import normalize

__all__ = ["read_html"]

_never = frozenset(
    ("script", "style", "noscript", "template", "svg", "canvas", "iframe", "object", "head", "form", "button", "select")
)
_around = frozenset(("nav", "aside", "header", "footer", "menu", "dialog"))
_around_roles = frozenset(("navigation", "banner", "contentinfo", "complementary", "search", "menu", "dialog"))
_inline = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "cite",
        "code",
        "data",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    ]
)
_spaces = re.compile(r"[ \t\r\n\f\u00a0]+")
_break = "\u2028"
"""A line that the author ended, where other line ends in the source mean nothing."""
_mostly_links = 0.8
_menu_of = 3


def read_html(text: str) -> Document:
    """The document of an HTML page: what is in `main` or `article` where there is one, else everything but the edges.

    Lists in which nearly all words are links, three or more of them, are menus and left out.

    Raises:
        MissingPackage: selectolax is not installed.
    """
    parser = need("selectolax.lexbor", extra="data").LexborHTMLParser(text)
    title = parser.css_first("head > title, title")
    wholes = parser.css("main, [role=main]") or parser.css("article") or ([parser.body] if parser.body else [])
    inside = bool(parser.css_first("main, [role=main], article"))
    blocks = [block for node in _outermost(wholes) for block in _Walk(inside).blocks(node)]
    own = _clean(title.text()) if title is not None else ""
    heading = next((block.text for block in blocks if block.kind == "heading"), "")
    return Document(title=own or heading, blocks=tuple(blocks))


def _outermost(nodes: list[Any]) -> list[Any]:
    """The nodes that are not inside another one of them."""
    ids = {node.mem_id for node in nodes}
    return [node for node in nodes if not any(parent.mem_id in ids for parent in _parents(node))]


def _parents(node: Any) -> Iterator[Any]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


class _Walk:
    """One walk through a tree: inline text is gathered until a block begins or ends."""

    def __init__(self, inside: bool) -> None:
        self._inside = inside
        self._found: list[Block] = []
        self._held: list[str] = []

    def blocks(self, node: Any) -> list[Block]:
        self._children(node, kind="paragraph", level=0)
        self._flush("paragraph", 0)
        return self._found

    def _children(self, node: Any, *, kind: str, level: int) -> None:
        child = node.child
        while child is not None:
            self._node(child, kind=kind, level=level)
            child = child.next

    def _node(self, node: Any, *, kind: str, level: int) -> None:
        tag = node.tag
        if tag == "-text":
            self._held.append(node.text_content or "")
        elif tag in ("-comment", "_comment") or self._is_outside(node):
            return
        elif tag == "br":
            self._held.append(_break)
        elif tag in _inline:
            self._children(node, kind=kind, level=level)
        else:
            self._flush(kind, level)
            self._block(node, tag, kind=kind, level=level)

    def _block(self, node: Any, tag: str, *, kind: str, level: int) -> None:
        if re.fullmatch("h[1-6]", tag):
            self._children(node, kind="heading", level=int(tag[1]))
            self._flush("heading", int(tag[1]))
        elif tag in ("ul", "ol"):
            if not _is_menu(node):
                self._children(node, kind="item", level=level + 1 if kind == "item" else 0)
                self._flush(kind, level)
        elif tag == "li":
            self._children(node, kind="item", level=level)
            self._flush("item", level)
        elif tag == "table":
            self._table(node)
        elif tag == "pre":
            code = (node.text() or "").strip("\n")
            if code.strip():
                self._found.append(Block(kind="code", text=f"```\n{code}\n```"))
        else:
            self._children(node, kind=kind, level=level)
            self._flush(kind, level)

    def _table(self, node: Any) -> None:
        """A table of data; one that only lays out the page (one column, or blocks in its cells) is walked through."""
        if node.css_first("table table, td h1, td h2, td p + p") is not None:
            for cell in node.css("caption, th, td"):
                if not any(parent.tag in ("td", "th") for parent in _parents(cell)):
                    self._children(cell, kind="paragraph", level=0)
                    self._flush("paragraph", 0)
            return
        for caption in node.css("caption"):
            self._held.append(caption.text() or "")
            self._flush("paragraph", 0)
        rows = [[cell.text(separator=" ") or "" for cell in row.css("th, td")] for row in node.css("tr")]
        if any(len(row) > 1 for row in rows):
            self._found.append(Block(kind="table", text=normalize(table(rows))))
        else:
            self._held.extend(f"{cell}{_break}" for row in rows for cell in row)
            self._flush("paragraph", 0)

    def _flush(self, kind: str, level: int) -> None:
        text = "\n".join(filter(None, map(_clean, "".join(self._held).split(_break))))
        self._held = []
        if not text:
            return
        if kind == "heading":
            self._found.append(Block(kind="heading", text=text, level=level))
        elif kind == "item":
            self._found.append(Block(kind="item", text=text, level=level))
        else:
            self._found.append(Block(kind="paragraph", text=text))

    def _is_outside(self, node: Any) -> bool:
        attributes = node.attributes or {}
        if node.tag in _never or "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return True
        if "display:none" in (attributes.get("style") or "").replace(" ", ""):
            return True
        around = node.tag in _around or (attributes.get("role") or "") in _around_roles
        return around and not (self._inside and node.tag == "header")


def _is_menu(node: Any) -> bool:
    items = node.css("li")
    links = sum(len(_clean(link.text())) for link in node.css("a"))
    words = len(_clean(node.text()))
    return len(items) >= _menu_of and words > 0 and links >= _mostly_links * words


def _clean(text: str | None) -> str:
    return normalize(_spaces.sub(" ", joined((text or "").splitlines()))).strip()
