"""XML: the element that repeats is the record; its attributes, children and their text are the fields.

Streamed through expat, so that memory holds one record. A document type is refused before anything of it is expanded:
that is where entity bombs and references to other files live (CWE-776, CWE-611).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO
from xml.parsers import expat

from seekloop.data.read.stream import Record
from seekloop.system.errors import DataError

__all__ = ["element_of", "elements"]

_block = 1 << 16
_peek = 1 << 22
_longest = 1 << 26
_deepest = 200


class _Node:
    """An element in the making."""

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.children: list[_Node] = []
        self.text: list[str] = []

    @property
    def said(self) -> str:
        return "".join(self.text).strip()


class _Parser:
    """Feeds text to expat and collects the elements at `path`; without a path it only counts."""

    def __init__(self, path: tuple[str, ...], *, shown: str) -> None:
        self.path = path
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.done: list[_Node] = []
        self.shown = shown
        self._here: list[str] = []
        self._open: list[_Node] = []
        self._size = 0
        # What is fed is text that was decoded before, whatever encoding the document says that it is in.
        self._expat = expat.ParserCreate("utf-8")
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters

    def feed(self, text: str, *, final: bool = False) -> None:
        try:
            self._expat.Parse(text.encode("utf-8", "replace"), final)
        except expat.ExpatError as error:
            problem = expat.errors.messages[error.code]
            raise DataError("data.bad_xml", problem=problem, where=f"{self.shown}:{error.lineno}") from error

    def _fail(self, problem: str) -> DataError:
        return DataError("data.bad_xml", problem=problem, where=f"{self.shown}:{self._expat.CurrentLineNumber}")

    def _doctype(self, *_facts: object) -> None:
        raise DataError("data.xml_doctype", where=f"{self.shown}:{self._expat.CurrentLineNumber}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._here.append(_local(name))
        if len(self._here) > _deepest:
            raise self._fail("it is nested too deeply")
        if not self.path:
            self.counts[tuple(self._here)] += 1
        elif self._open or tuple(self._here[-len(self.path) :]) == self.path:
            known = {_local(key): value for key, value in attributes.items()}
            self._open.append(_Node(self._here[-1], known, self._expat.CurrentLineNumber))

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)
            self._size += len(text)
            if self._size > _longest:
                raise self._fail("a record is too long")

    def _end(self, _name: str) -> None:
        self._here.pop()
        if not self._open:
            return
        node = self._open.pop()
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.done.append(node)
            self._size = 0


def element_of(stream: TextIO, *, shown: str) -> str:
    """The path of the element that is a record, `tickets/ticket`: the outermost one that repeats.

    Raises:
        DataError: it is no XML, or has a document type.
    """
    parser = _Parser((), shown=shown)
    read = 0
    while read < _peek and (text := stream.read(_block)):
        parser.feed(text)
        read += len(text)
    counts = parser.counts
    single = {path for path, count in counts.items() if count == 1}
    repeated = [path for path, count in counts.items() if count > 1 and path[:-1] in single]
    inner = [path for path in counts if len(path) == 2 and any(path == other[:2] != other for other in counts)]
    candidates = repeated or inner[:1] or list(counts)[:1]
    if not candidates:
        raise DataError("data.empty", where=shown)
    return "/".join(min(candidates, key=lambda path: (len(path), -counts[path])))


def elements(stream: TextIO, path: str, *, shown: str) -> Iterator[Record]:
    """The elements at `path` (its last names are enough), one at a time.

    Raises:
        DataError: it is no XML, or has a document type; file and line are named.
    """
    parser = _Parser(tuple(path.strip("/").split("/")), shown=shown)
    more = True
    while more:
        text = stream.read(_block)
        more = bool(text)
        parser.feed(text, final=not more)
        for node in parser.done:
            yield Record(line=node.line, value=_fields(node))
        parser.done.clear()


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _fields(node: _Node) -> dict[str, Any]:
    """The fields of an element. The attributes of a child that holds only text are fields too: `customer.id`."""
    fields: dict[str, Any] = dict(node.attributes)
    by_name: dict[str, list[_Node]] = {}
    for child in node.children:
        by_name.setdefault(child.name, []).append(child)
    for name, children in by_name.items():
        if len(children) > 1:
            fields[name] = [_item(child, listed=any(one.attributes for one in children)) for child in children]
            continue
        fields[name] = _item(children[0], listed=False)
        if not children[0].children:
            fields |= {f"{name}.{key}": value for key, value in children[0].attributes.items()}
    if node.said:
        fields.setdefault("text", node.said)
    return fields


def _item(node: _Node, *, listed: bool) -> Any:
    """The value of a child: its text, its fields, or the list that it is only a wrapper of."""
    if not node.children:
        return {**node.attributes, "content": node.said} if listed else node.said
    fields = _fields(node)
    only = next(iter(fields.values()))
    return only if len(fields) == 1 and isinstance(only, list) else fields
