"""Sources into one corpus: every record becomes a row with an id, its file and line, or a dropped row with a reason."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus
from seekloop.artifact.rows import Row, Source, read_rows, row_id, write_rows
from seekloop.data.read.bodies import Layout, Reading
from seekloop.data.read.chats import gather
from seekloop.data.read.formats import detect, read
from seekloop.data.read.readers import open_source
from seekloop.data.read.stream import Desk, Record, Stream
from seekloop.data.sources import SourceSpec
from seekloop.data.spec import ReadSpec
from seekloop.data.suppressed import suppressed
from seekloop.system.errors import DataError
from seekloop.system.progress import Task
from seekloop.system.spec import Spec

__all__ = ["ROWS", "CorpusSpec", "read_corpus"]

ROWS = "rows.jsonl"
_samples = 64
_raw_kept = 2_000
_report_every = 1_000


class CorpusSpec(Spec):
    """What a corpus is made by: the part of the data spec that reading needs, so that other dials do not read anew."""

    sources: tuple[SourceSpec, ...]
    """Files, databases and endpoints, in order."""
    read: ReadSpec
    """How they are read."""


def read_corpus(sources: Sequence[SourceSpec], *, ctx: RunContext, spec: ReadSpec | None = None) -> Corpus:
    """Read sources into a committed corpus, `rows.jsonl`; memory holds one row and an id of each.

    Args:
        sources: what to read, in order.
        ctx: where to commit; each detected layout is said through its progress.
        spec: how to read; None: the defaults.

    Raises:
        DataError: no sources, nothing there, not text, empty, a missing column, or (unless `bad_rows` is `drop`) a
            broken record, named by file and line.
    """
    if not sources:
        raise DataError("data.no_sources")
    spec = spec or ReadSpec()
    whole = CorpusSpec(sources=tuple(sources), read=spec)
    with ctx.job("data.read", whole) as job, ctx.progress.task("read") as task:
        reader = _Reader(ctx=ctx, lenient=spec.bad_rows == "drop", task=task)
        count = write_rows(job.path(ROWS), suppressed(reader.rows(sources), ctx=ctx))
        corpus = Corpus(
            parents=reader.parents,
            made_by=job.origin,
            rows=count,
            sources=tuple(source.shown for source in sources),
            formats=tuple(reader.formats),
        )
        return job.commit(corpus)


class _Reader:
    """The state of one reading: formats met so far, and how often each id was given."""

    def __init__(self, *, ctx: RunContext, lenient: bool, task: Task) -> None:
        self.formats: list[str] = []
        self.parents: dict[str, str] = {}
        """Role -> id of each corpus whose rows were taken."""
        self._desk = Desk(ctx=ctx, lenient=lenient)
        self._task = task
        self._given: Counter[str] = Counter()

    def rows(self, sources: Sequence[SourceSpec]) -> Iterator[Row]:
        for source in sources:
            for row in self._of_source(source):
                yield row if source.name is None else _named(row, source.name)

    def _of_source(self, source: SourceSpec) -> Iterator[Row]:
        if source.corpus is not None:
            yield from self._of_corpus(source.corpus)
            return
        for stream in open_source(source, self._desk):
            yield from self._of_stream(stream)

    def _of_corpus(self, identity: str) -> Iterator[Row]:
        """The rows of a corpus that was made before, as they are."""
        corpus = self._desk.ctx.store.open(identity, Corpus)
        self.parents[f"source{len(self.parents) + 1}"] = corpus.id
        self.formats.append("corpus")
        self._desk.say(f"{corpus.id}: {corpus.rows} rows")
        for row in read_rows(self._desk.ctx.store.path(corpus.id, ROWS)):
            self._task.advance()
            yield row.model_copy(update={"id": self._unique(row.id)})

    def _of_stream(self, stream: Stream) -> Iterator[Row]:
        head = list(itertools.islice(stream.records, _samples))
        samples = self._samples(head, stream.shown)
        format, parts = detect(samples, stream.source.columns, format=stream.source.format, shown=stream.shown)
        layout = Layout(format=format, parts=parts, names={**stream.names, **stream.source.speakers}, keys=stream.keys)
        said = [stream.container, layout.described, *([stream.encoding.name] if stream.encoding else [])]
        self.formats.append("/".join([stream.container, format, *said[2:]]))
        self._desk.say(f"{stream.shown}: {', '.join(said)}")
        records: Iterable[Record] = itertools.chain(head, stream.records)
        if format == "chat":
            records, layout = gather(records, layout, shown=stream.shown)
        for number, record in enumerate(records):
            if number % _report_every == 0:
                self._task.advance(_report_every if number else 0)
            yield self._row(record, stream, layout=layout)

    def _samples(self, head: Sequence[Record], shown: str) -> list[dict[str, Any]]:
        """The first values, by which the layout is told."""
        problem = next((record.problem for record in head if record.problem is not None), None)
        if problem is not None and not self._desk.lenient:
            raise problem
        samples = [record.value for record in head if record.value is not None]
        if not samples:
            raise problem or DataError("data.empty", where=shown)
        return samples

    def _row(self, record: Record, stream: Stream, *, layout: Layout) -> Row:
        source = Source(file=record.file or stream.shown, line=record.line)
        try:
            reading, identity = self._reading(record, stream, layout=layout)
        except DataError as error:
            if not self._desk.lenient:
                raise
            raw = (record.raw or str(record.value))[:_raw_kept]
            meta = {"raw": raw, "problem": error.sentence("en")}
            identity = self._unique(row_id([raw, record.line]))
            return Row(id=identity, source=source, dropped=error.code.partition(".")[2], meta=meta)
        placed: dict[str, str | bool | None] = {
            "split": reading.split or stream.source.split,
            "group": reading.group,
            "time": reading.time,
            "noise": reading.noise,
        }
        return Row(
            id=identity,
            messages=reading.messages,
            rejected=reading.rejected,
            desirable=reading.desirable,
            plain=reading.plain,
            tools=reading.tools,
            dropped=record.dropped or reading.dropped,
            label=reading.label,
            labels=reading.labels,
            source=source,
            subject=reading.subject,
            meta={
                **record.meta,
                **reading.meta,
                **{name: value for name, value in placed.items() if value is not None},
            },
        )

    def _reading(self, record: Record, stream: Stream, *, layout: Layout) -> tuple[Reading, str]:
        where = f"{record.file or stream.shown}:{record.line}"
        if record.problem is not None:
            raise record.problem
        assert record.value is not None  # a record has a value or a problem
        if stream.damaged is not None and "\ufffd" in str(record.value):
            raise DataError("data.broken_encoding", encoding=stream.damaged.name, where=where)
        reading = read(record.value, layout, where=where)
        try:
            return reading, self._unique(row_id(record.value))
        except ValueError as error:  # a number too large for a float
            raise DataError("data.bad_json", problem=error, where=where) from error

    def _unique(self, identity: str) -> str:
        """The same record read again is another row: `row:3f9c…-2`."""
        self._given[identity] += 1
        count = self._given[identity]
        return identity if count == 1 else f"{identity}-{count}"


def _named(row: Row, name: str) -> Row:
    """The row with the name that the spec gives its source."""
    return row.model_copy(update={"meta": {**row.meta, "source": name}})
