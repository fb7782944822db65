"""The records of a text file, one at a time with their lines: JSON Lines, a JSON list, CSV, TSV, XML or plain lines.

What cannot be parsed is a record too, with its problem, so that the reader above decides to stop or to keep it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from seekloop.data.read.columns import SYNONYMS
from seekloop.data.read.files import TextFile, open_text
from seekloop.data.read.stream import Record
from seekloop.data.read.values import scrubbed
from seekloop.data.read.xml_elements import element_of, elements
from seekloop.system.errors import DataError

__all__ = ["container_of", "element", "records"]

_peek = 1 << 16
_longest_element = 1 << 26
_space = re.compile(r"[\s,]*")
_delimiters = ",\t;|"
_lines_to_tell = 20
_turns = frozenset((*SYNONYMS["messages"], *SYNONYMS["tools"], *SYNONYMS["history"]))
"""Keys of lists that are parts of one record."""


def container_of(file: TextFile) -> str:
    """`jsonl`, `json`, `csv`, `tsv`, `xml` or `txt`: by extension; where that does not tell, by the first characters.

    Raises:
        DataError: the file is empty.
    """
    with open_text(file) as stream:
        head = stream.read(_peek)
    if not head.strip():
        raise DataError("data.empty", where=file.shown)
    start = head.lstrip()
    if file.kind in ("jsonl", "ndjson"):
        return "jsonl"
    if file.kind in ("csv", "tsv"):
        return file.kind
    if start[0] == "[":
        return "json"
    if start[0] == "{":
        first, _, rest = start.partition("\n")
        if file.kind == "json" and not rest.strip() and len(head) < _peek and _holds_records(first):
            return "json"
        return "jsonl" if _is_object(first) else "json"
    if file.kind == "xml" or start.startswith(("<?xml", "<!DOCTYPE")):
        return "xml"
    if file.kind == "txt" and not _is_table(start):
        return "txt"
    return "json" if file.kind == "json" else "csv"


def _is_table(text: str) -> bool:
    """Whether the first whole lines all have the same number of cells, two or more."""
    lines = text.splitlines()[: 1 + _lines_to_tell]
    lines = [line for line in (lines[:-1] if len(lines) > _lines_to_tell else lines) if line.strip()]
    delimiter = max(_delimiters, key=lines[0].count)
    widths = {len(next(csv.reader([line], delimiter=delimiter), [])) for line in lines}
    return len(widths) == 1 and widths != {1}


def element(file: TextFile) -> str:
    """The path of the element of an XML file that is a record.

    Raises:
        DataError: it is no XML, or has a document type.
    """
    with open_text(file) as stream:
        return element_of(stream, shown=file.shown)


def records(file: TextFile, container: str, *, inside: str | None = None) -> Iterator[Record]:
    """The file's records, streamed: memory holds one record and a block.

    Args:
        file: what to read.
        container: as `container_of` says.
        inside: for XML, the path of the element that is a record.

    Raises:
        DataError: a JSON list breaks off or cannot be parsed; a table has no header or names a column twice.
    """
    with open_text(file) as stream:
        if container == "jsonl":
            yield from _json_lines(stream, file.shown)
        elif container == "json":
            yield from _json_list(stream, file.shown)
        elif container == "xml":
            yield from elements(stream, inside or "", shown=file.shown)
        elif container == "txt":
            yield from _lines(stream)
        else:
            yield from _table(stream, shown=file.shown, delimiter="\t" if container == "tsv" else None)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _is_object(text: str) -> bool:
    try:
        return isinstance(_decoder.decode(text), dict)
    except (ValueError, RecursionError):
        return False


def _of_value(value: object, *, line: int, shown: str, raw: str) -> Record:
    if isinstance(value, dict):
        return Record(line=line, value=scrubbed(value) if "\\u" in raw else value)
    kind = type(value).__name__
    return Record(line=line, problem=DataError("data.not_object", kind=kind, where=f"{shown}:{line}"), raw=raw)


def _broken(error: Exception, *, line: int, shown: str, raw: str) -> Record:
    problem = DataError("data.bad_json", problem=_reason(error), where=f"{shown}:{line}")
    return Record(line=line, problem=problem, raw=raw)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _json_lines(stream: TextIO, shown: str) -> Iterator[Record]:
    for line, text in enumerate(stream, start=1):
        if text.strip():
            try:
                value = _decoder.decode(text.strip())
            except (ValueError, RecursionError) as error:
                yield _broken(error, line=line, shown=shown, raw=text.strip())
            else:
                yield _of_value(value, line=line, shown=shown, raw=text)


def _json_list(stream: TextIO, shown: str) -> Iterator[Record]:
    buffer = stream.read(_peek)
    start = len(buffer) - len(buffer.lstrip())
    if not buffer[start:].startswith("["):
        yield from _json_object(buffer + stream.read(), shown)
        return
    line, at = 1 + buffer.count("\n", 0, start), start + 1
    while True:
        gap = _space.match(buffer, at)
        assert gap is not None  # the pattern matches the empty string
        line, at = line + buffer.count("\n", at, gap.end()), gap.end()
        value, end = _element(buffer, at)
        if buffer[at : at + 1] == "]":
            break
        if end is None:
            more = stream.read(max(_peek, len(buffer) - at))
            if not more or len(buffer) - at > _longest_element:
                raise _unparsable(buffer[at:], line=line, shown=shown)
            buffer, at = buffer[at:] + more, 0
            continue
        yield _of_value(value, line=line, shown=shown, raw=buffer[at:end])
        line, at = line + buffer.count("\n", at, end), end
    if (buffer[at + 1 :] + stream.read(_peek)).strip():
        raise DataError("data.bad_json", problem="there is more after the list ends", where=f"{shown}:{line}")


def _element(buffer: str, at: int) -> tuple[object, int | None]:
    """The value that begins at `at` and where it ends; None where the buffer does not hold all of it yet."""
    try:
        value, end = _decoder.raw_decode(buffer, at)
    except (ValueError, RecursionError):
        return None, None
    return value, end if _space.sub("", buffer[end : end + 64]) or len(buffer) > end + 64 else None


def _unparsable(rest: str, *, line: int, shown: str) -> DataError:
    try:
        _decoder.raw_decode(rest)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        return DataError("data.bad_json", problem=_reason(error), where=f"{shown}:{line}")
    except (ValueError, RecursionError) as error:
        return DataError("data.bad_json", problem=_reason(error), where=f"{shown}:{line}")
    return DataError("data.bad_json", problem="the list is not closed", where=f"{shown}:{line}")


def _json_object(text: str, shown: str) -> Iterator[Record]:
    """A file of one object: the list of records inside it, or itself the only record."""
    try:
        value = _decoder.decode(text.strip())
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise DataError("data.bad_json", problem=_reason(error), where=f"{shown}:{line}") from error
    raw = "\\u" if "\\u" in text else ""
    for number, element in enumerate(_inner(value) or [value], start=1):
        yield _of_value(element, line=number, shown=shown, raw=raw)


def _holds_records(text: str) -> bool:
    try:
        return _inner(_decoder.decode(text)) is not None
    except (ValueError, RecursionError):
        return False


def _inner(value: object) -> list[Any] | None:
    """The only list of objects in an object of at most four keys, or in the only object in it that has one."""
    if not isinstance(value, dict) or len(value) > 4:
        return None
    lists = [inner for name, inner in value.items() if _is_list_of_objects(inner) and name.lower() not in _turns]
    if not lists:
        lists = [found for inner in value.values() if (found := _inner(inner)) is not None]
    return lists[0] if len(lists) == 1 else None


def _lines(stream: TextIO) -> Iterator[Record]:
    for line, text in enumerate(stream, start=1):
        if text.strip():
            yield Record(line=line, value={"text": text.strip()})


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(inner, dict) for inner in value)


def _table(stream: TextIO, *, shown: str, delimiter: str | None) -> Iterator[Record]:
    first = stream.readline()
    while first and not first.strip():
        first = stream.readline()
    delimiter = delimiter or max(_delimiters, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    doubled = sorted({name for name in header if header.count(name) > 1 and name})
    if doubled:
        raise DataError("data.column_twice", column=doubled[0], where=f"{shown}:1")
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 2
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(line=line, problem=DataError("data.bad_table", problem=error, where=f"{shown}:{line}"))
            continue
        if len(cells) == len(header):
            yield Record(line=line, value={name: cell for name, cell in zip(header, cells, strict=True) if name})
        elif any(cell.strip() for cell in cells):
            problem = DataError("data.bad_columns", found=len(cells), wanted=len(header), where=f"{shown}:{line}")
            yield Record(line=line, problem=problem, raw=delimiter.join(cells))
