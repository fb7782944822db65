"""A knowledge graph as a source: its questions and answers, each a record with the terms that it cites."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from seekloop.data.graph.source import ask
from seekloop.data.read.files import inspect, locate, open_text
from seekloop.data.read.stream import Desk, Record, Stream
from seekloop.data.sources import ColumnsSpec, SourceSpec
from seekloop.system import seeds
from seekloop.system.errors import DataError

__all__ = ["open_graph"]


def open_graph(source: SourceSpec, desk: Desk) -> Iterator[Stream]:
    """One stream of `pairs`, each record in the group of the term that it is about.

    Raises:
        DataError: no such file, not text, no graph, or no question can be asked of it.
    """
    spec = source.graph
    assert spec is not None  # the table of readers sends only graphs here
    file = inspect(locate(spec.path, root=desk.ctx.root), shown=spec.path, encoding=spec.encoding)
    if file.encoding.broken_line is not None:
        where = f"{file.shown}:{file.encoding.broken_line}"
        raise DataError("data.broken_encoding", encoding=file.encoding.name, where=where)
    with open_text(file) as lines:
        seed = seeds.derive(desk.ctx.seed, "data", "graph")
        records = (
            Record(line=one.line, value=one.value, meta=one.meta)
            for one in ask(lines, spec, seed=seed, root=desk.ctx.root, say=desk.say)
        )
        head = list(islice(records, 1))
        if not head:
            raise DataError("graph.no_questions", where=spec.path)
        known = ColumnsSpec(text="prompt", reply="completion", group="group")
        yield Stream(
            shown=spec.path,
            container="graph",
            records=chain(head, records),
            source=source.model_copy(update={"columns": known, "format": "pairs"}),
            encoding=file.encoding,
        )
