"""Appends events: a transaction's events, their index rows and their payloads land together or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, select

from seekloop.artifact import schema
from seekloop.artifact.chain import GENESIS, Chain, EventRow, read_event
from seekloop.artifact.database import Database, insert_rows
from seekloop.artifact.projection import project
from seekloop.artifact.records import Event
from seekloop.system import digests
from seekloop.system.clock import Clock
from seekloop.system.errors import LedgerError

__all__ = ["Journal", "Pen", "blocks", "head_of", "since", "stamp"]

_page, _block = 5_000, 500
T = TypeVar("T")


class Pen:
    """Collects what one write transaction appends; `connection` reads what is there already."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.entries: list[tuple[str, str, str, Mapping[str, Any]]] = []
        self.payloads: list[dict[str, str]] = []
        self.events: list[Event] = []
        """What was appended; filled when the transaction ends."""

    def add(self, kind: str, subject: str, *, facts: Mapping[str, Any], actor: str) -> None:
        """Append an event when the transaction ends."""
        self.entries.append((kind, subject, actor, facts))

    def put(self, value: Mapping[str, Any]) -> str:
        """Store a payload, salted so that its digest cannot be guessed from likely contents; returns the digest."""
        body = digests.canonical({"salt": secrets.token_hex(16), "value": value})
        digest = digests.of_bytes(body)
        self.payloads.append({"digest": digest, "body": body.decode()})
        return digest


class Journal:
    """The event table: appended to by `writing`, read by `events`."""

    def __init__(self, database: Database, chain: Chain, clock: Clock) -> None:
        self.database = database
        self.chain = chain
        self.clock = clock
        self.appended = 0
        """Events that this object appended since it was made."""

    @contextlib.contextmanager
    def writing(self) -> Iterator[Pen]:
        """One write transaction; what the pen collected is signed and written when the block ends well."""
        with self.database.write() as connection:
            pen = Pen(connection)
            yield pen
            if pen.entries:
                self._flush(pen)
        self.appended += len(pen.entries)

    def append(self, kind: str, subject: str, *, facts: Mapping[str, Any], actor: str) -> None:
        """One event in a transaction of its own."""
        with self.writing() as pen:
            pen.add(kind, subject, facts=facts, actor=actor)

    def events(self, query: Select[Any] | None = None, *, after: int = 0) -> Iterator[Event]:
        """Events in order, from the one after number `after`, of those that `query` (over `schema.event`) selects."""
        query = select(schema.event) if query is None else query
        while True:
            page = query.where(schema.event.c.seq > after).order_by(schema.event.c.seq).limit(_page)
            with self.database.read() as connection:
                rows = [tuple(row) for row in connection.execute(page)]
            for row in rows:
                yield read_event(row)
            if len(rows) < _page:
                return
            after = rows[-1][0]

    def newest(self, query: Select[Any]) -> Event | None:
        """The last event of those that `query` (over `schema.event`) selects."""
        with self.database.read() as connection:
            row = connection.execute(query.order_by(schema.event.c.seq.desc()).limit(1)).first()
        return read_event(tuple(row)) if row else None

    def _flush(self, pen: Pen) -> None:
        last, prev = head_of(pen.connection)
        at = stamp(self.clock.now())
        rows: list[EventRow] = []
        for seq, (kind, subject, actor, facts) in enumerate(pen.entries, start=last + 1):
            row = self.chain.link(seq=seq, prev=prev, at=at, kind=kind, subject=subject, actor=actor, facts=facts)
            rows.append(row)
            prev = row[7]
        names = schema.event.c.keys()
        insert_rows(pen.connection, schema.event, rows=[dict(zip(names, row, strict=True)) for row in rows])
        if pen.payloads:
            insert_rows(pen.connection, schema.payload, rows=pen.payloads)
        pen.events = [read_event(row) for row in rows]
        project(pen.connection, pen.events)


def head_of(connection: Connection) -> tuple[int, str]:
    """Number and mac of the newest event; (0, GENESIS) where there is none."""
    newest = select(schema.event.c.seq, schema.event.c.mac).order_by(schema.event.c.seq.desc()).limit(1)
    row = connection.execute(newest).first()
    return (row.seq, row.mac) if row else (0, GENESIS)


def stamp(moment: dt.datetime) -> str:
    """A moment as the ledger writes it: UTC, microseconds, so that text order is time order."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def since(text: str) -> str:
    """An ISO 8601 time that a caller gave, as the ledger writes it.

    Raises:
        LedgerError: it is no such time.
    """
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise LedgerError("artifact.bad_time", text=text) from error
    return stamp(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))


def blocks(items: Iterable[T]) -> Iterator[list[T]]:
    """`items`, a few hundred at a time: as many as every database takes in one `IN (…)`."""
    source = iter(items)
    while block := list(itertools.islice(source, _block)):
        yield block
