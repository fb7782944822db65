"""Tables of triples (subject, relation, object), CSV or TSV, with or without a header, as a graph."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from seekloop.data.graph.model import IS_A, Graph, Synonym, Term
from seekloop.data.graph.spec import TripleColumns
from seekloop.system.errors import DataError

__all__ = ["read_triples"]

_names: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "subject": ("subject", "head", "source", "entity1", "主语", "主体", "头实体", "实体1", "实体"),
        "relation": ("relation", "predicate", "property", "edge", "谓语", "谓词", "关系", "属性"),
        "object": ("object", "tail", "target", "entity2", "value", "宾语", "客体", "尾实体", "实体2", "值", "属性值"),
    }
)


@dataclass
class _Draft:
    """A term while its triples come in."""

    line: int
    definition: str = ""
    synonyms: dict[str, None] = field(default_factory=dict)
    links: dict[tuple[str, str], None] = field(default_factory=dict)


def read_triples(lines: Iterable[str], columns: TripleColumns, *, shown: str) -> Graph:
    """The graph of a table of triples. A term's id is its name as written; the table is streamed.

    Args:
        lines: its lines, line ends as they are.
        columns: which column is which, and the relations with a meaning of their own.
        shown: name of the file, for errors.

    Raises:
        DataError: a column that is named is not there, a row is short or cannot be parsed, or there is no triple.
    """
    drafts: dict[str, _Draft] = {}
    for line, subject, relation, object in _rows(lines, columns, shown=shown):
        draft = drafts.setdefault(subject, _Draft(line))
        if relation in columns.definition:
            draft.definition = draft.definition or object
        elif relation in columns.synonym:
            draft.synonyms[object] = None
        else:
            drafts.setdefault(object, _Draft(line))
            draft.links[(IS_A if relation in columns.is_a else relation, object)] = None
    if not drafts:
        raise DataError("graph.no_terms", where=shown)
    return Graph.of(
        Term(
            id=name,
            name=name,
            line=draft.line,
            definition=draft.definition,
            synonyms=tuple(map(Synonym, draft.synonyms)),
            links=tuple(draft.links),
        )
        for name, draft in drafts.items()
    )


def _rows(lines: Iterable[str], columns: TripleColumns, *, shown: str) -> Iterator[tuple[int, str, str, str]]:
    stream = iter(lines)
    first = next((line for line in stream if line.strip()), "")
    delimiter = max("\t,;|", key=first.count)
    reader = csv.reader(itertools.chain([first], stream), delimiter=delimiter, strict=True)
    places: tuple[int, int, int] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError("data.bad_table", problem=error, where=f"{shown}:{line}") from error
        if places is None:
            places, is_header = _places(cells, columns, shown=shown)
            if is_header:
                continue
        if not any(cells):
            continue
        found = [cells[place] if place < len(cells) else "" for place in places]
        if not all(found):
            raise DataError("graph.short_triple", found=len([c for c in cells if c]), where=f"{shown}:{line}")
        yield line, found[0], found[1], found[2]


def _places(cells: Sequence[str], columns: TripleColumns, *, shown: str) -> tuple[tuple[int, int, int], bool]:
    """Where subject, relation and object stand, and whether the first row is a header."""
    lowered = [cell.lower().removeprefix("\ufeff") for cell in cells]
    places, named = [], 0
    for order, part in enumerate(("subject", "relation", "object")):
        mapped = {"subject": columns.subject, "relation": columns.relation, "object": columns.object}[part]
        wanted = (mapped.lower(),) if mapped is not None else _names[part]
        at = next((lowered.index(name) for name in wanted if name in lowered), None)
        if at is None and mapped is not None:
            found = ", ".join(cells)
            raise DataError("data.no_column", column=mapped, suggestion="", found=found, where=f"{shown}:1")
        named += at is not None
        places.append(order if at is None else at)
    if len(set(places)) < 3:
        places = [0, 1, 2]
    return (places[0], places[1], places[2]), named >= 2
