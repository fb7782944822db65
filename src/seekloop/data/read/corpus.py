"""Sources into one corpus: every record becomes a row with an id, its file and line, or a dropped row with a reason."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus
from seekloop.artifact.rows import Row, Source, row_id, write_rows
from seekloop.data.read.files import inspect, locate
from seekloop.data.read.folder import REGISTRY, Plan, plans
from seekloop.data.read.formats import Layout, Reading, detect, read
from seekloop.data.read.records import Record, container_of, records
from seekloop.data.spec import ReadSpec, SourceSpec
from seekloop.system.errors import DataError
from seekloop.system.progress import Task
from seekloop.system.spec import Spec
from seekloop.text.encoding import Encoding

__all__ = ["ROWS", "CorpusSpec", "read_corpus"]

ROWS = "rows.jsonl"
_samples = 64
_raw_kept = 2_000
_report_every = 1_000


class CorpusSpec(Spec):
    """What a corpus is made by: the part of the data spec that reading needs, so that other dials do not read anew."""

    sources: tuple[SourceSpec, ...]
    """Files and folders, in order."""
    read: ReadSpec
    """How they are read."""


def read_corpus(sources: Sequence[SourceSpec], *, ctx: RunContext, spec: ReadSpec | None = None) -> Corpus:
    """Read files and folders into a committed corpus, `rows.jsonl`; memory holds one row and an id of each.

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
        count = write_rows(job.path(ROWS), reader.rows(sources))
        corpus = Corpus(
            made_by=job.origin,
            rows=count,
            sources=tuple(source.path for source in sources),
            formats=tuple(reader.formats),
        )
        return job.commit(corpus)


@dataclass(frozen=True, kw_only=True)
class _File:
    """What a record's row depends on beside the record."""

    plan: Plan
    layout: Layout
    damaged: Encoding | None
    """The encoding that some bytes of the file break; None: none does."""


class _Reader:
    """The state of one reading: formats met so far, and how often each id was given."""

    def __init__(self, *, ctx: RunContext, lenient: bool, task: Task) -> None:
        self.formats: list[str] = []
        self._ctx = ctx
        self._lenient = lenient
        self._task = task
        self._given: Counter[str] = Counter()

    def rows(self, sources: Sequence[SourceSpec]) -> Iterator[Row]:
        for source in sources:
            for plan in self._plans(source):
                yield from self._of_file(plan)

    def _plans(self, source: SourceSpec) -> list[Plan]:
        path = locate(source.path, root=self._ctx.root)
        if path.is_file() and path.name != REGISTRY:
            return [Plan(path=path, shown=source.path, source=source)]
        ready, left_out = plans(path.parent if path.is_file() else path, source)
        for reason, names in left_out.items():
            self._ctx.progress.say(f"{source.path}: left out, {reason}: {', '.join(names)}")
        return ready

    def _of_file(self, plan: Plan) -> Iterator[Row]:
        file = inspect(plan.path, shown=plan.shown, encoding=plan.source.encoding)
        if file.encoding.broken_line is not None and not self._lenient:
            where = f"{file.shown}:{file.encoding.broken_line}"
            raise DataError("data.broken_encoding", encoding=file.encoding.name, where=where)
        container = container_of(file)
        stream = records(file, container)
        head = list(itertools.islice(stream, _samples))
        samples = self._samples(head, plan.shown)
        format, parts = detect(samples, plan.source.columns, format=plan.source.format, shown=plan.shown)
        layout = Layout(format=format, parts=parts, names=plan.names, keys=plan.keys)
        shown_container = f"{container}.gz" if file.gzipped else container
        self.formats.append(f"{shown_container}/{format}/{file.encoding.name}")
        self._ctx.progress.say(f"{file.shown}: {shown_container}, {layout.described}, {file.encoding.name}")
        damaged = file.encoding if file.encoding.broken_line is not None else None
        for number, record in enumerate(itertools.chain(head, stream)):
            if number % _report_every == 0:
                self._task.advance(_report_every if number else 0)
            yield self._row(record, _File(plan=plan, layout=layout, damaged=damaged))

    def _samples(self, head: Sequence[Record], shown: str) -> list[dict[str, Any]]:
        """The first values, by which the layout is told."""
        problem = next((record.problem for record in head if record.problem is not None), None)
        if problem is not None and not self._lenient:
            raise problem
        samples = [record.value for record in head if record.value is not None]
        if not samples:
            raise problem or DataError("data.empty", where=shown)
        return samples

    def _row(self, record: Record, file: _File) -> Row:
        source = Source(file=file.plan.shown, line=record.line)
        try:
            reading, identity = self._reading(record, file)
        except DataError as error:
            if not self._lenient:
                raise
            raw = (record.raw or str(record.value))[:_raw_kept]
            meta = {"raw": raw, "problem": error.sentence("en")}
            identity = self._unique(row_id([raw, record.line]))
            return Row(id=identity, source=source, dropped=error.code.partition(".")[2], meta=meta)
        placed: dict[str, str | None] = {"split": reading.split or file.plan.source.split, "group": reading.group}
        return Row(
            id=identity,
            messages=reading.messages,
            tools=reading.tools,
            label=reading.label,
            source=source,
            subject=reading.subject,
            meta={name: value for name, value in placed.items() if value is not None},
        )

    def _reading(self, record: Record, file: _File) -> tuple[Reading, str]:
        where = f"{file.plan.shown}:{record.line}"
        if record.problem is not None:
            raise record.problem
        assert record.value is not None  # a record has a value or a problem
        if file.damaged is not None and "\ufffd" in str(record.value):
            raise DataError("data.broken_encoding", encoding=file.damaged.name, where=where)
        reading = read(record.value, file.layout, where=where)
        try:
            return reading, self._unique(row_id(record.value))
        except ValueError as error:  # a number too large for a float
            raise DataError("data.bad_json", problem=error, where=where) from error

    def _unique(self, identity: str) -> str:
        """The same record read again is another row: `row:3f9c…-2`."""
        self._given[identity] += 1
        count = self._given[identity]
        return identity if count == 1 else f"{identity}-{count}"
