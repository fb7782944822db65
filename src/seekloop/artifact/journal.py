"""Appends events: a transaction's events, their index rows and their payloads land together or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select

from seekloop.artifact import schema
from seekloop.artifact.chain import GENESIS, Chain, EventRow, event_of
from seekloop.artifact.database import Database, driver, insert_rows
from seekloop.artifact.payloads import Stored
from seekloop.artifact.projection import project
from seekloop.artifact.records import Event
from seekloop.system.clock import Clock
from seekloop.system.errors import LedgerError

__all__ = ["Journal", "Pen", "head_of", "since", "stamp"]

_page = 5_000
_columns = tuple(schema.event.c.keys())
_newest = f"SELECT {', '.join(_columns)} FROM event ORDER BY seq DESC LIMIT 1"


class Pen:
    """Collects what one write transaction appends; `connection` reads what is there already."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.entries: list[tuple[str, str, str, Mapping[str, Any]]] = []
        self.payloads: list[Stored] = []
        self.rows: list[EventRow] = []
        """What was appended; filled when the transaction ends."""

    @property
    def events(self) -> list[Event]:
        """What was appended, after the transaction."""
        return [event_of(row) for row in self.rows]

    def add(self, kind: str, subject: str, *, facts: Mapping[str, Any], actor: str) -> None:
        """Append an event when the transaction ends."""
        self.entries.append((kind, subject, actor, facts))

    def put(self, stored: Stored) -> None:
        """Store a text when the transaction ends."""
        self.payloads.append(stored)


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

    def events(self, query: Select[Any], *, after: int = 0, page: int = _page) -> Iterator[Event]:
        """Events in order, from the one after number `after`, of those that `query` (over `schema.event`) selects.

        Raises:
            LedgerError: an event does not carry its signature.
        """
        while True:
            wanted = query.where(schema.event.c.seq > after).order_by(schema.event.c.seq).limit(page)
            with self.database.read() as connection:
                rows = [tuple(row) for row in connection.execute(wanted)]
            for row in rows:
                yield self.chain.read(row)
            if len(rows) < page:
                return
            after = rows[-1][0]

    def head(self) -> EventRow | None:
        """The row of the newest event, unchecked; None where there is no event."""
        with self.database.read() as connection:
            return head_of(connection)

    def newest(self, query: Select[Any]) -> Event | None:
        """The last event of those that `query` (over `schema.event`) selects.

        Raises:
            LedgerError: it does not carry its signature.
        """
        with self.database.read() as connection:
            row = connection.execute(query.order_by(schema.event.c.seq.desc()).limit(1)).first()
        return self.chain.read(tuple(row)) if row else None

    def _flush(self, pen: Pen) -> None:
        newest = head_of(pen.connection)
        last, prev = (newest[0], newest[7]) if newest else (0, GENESIS)
        at = stamp(self.clock.now())
        placed: list[tuple[str, str, int, Mapping[str, Any]]] = []
        for seq, (kind, subject, actor, facts) in enumerate(pen.entries, start=last + 1):
            row = self.chain.link(seq=seq, prev=prev, at=at, kind=kind, subject=subject, actor=actor, facts=facts)
            pen.rows.append(row)
            placed.append((kind, subject, seq, facts))
            prev = row[7]
        insert_rows(pen.connection, schema.event, rows=[dict(zip(_columns, row, strict=True)) for row in pen.rows])
        if pen.payloads:
            insert_rows(pen.connection, schema.payload, rows=[stored.row for stored in pen.payloads])
        project(pen.connection, placed)


def head_of(connection: Connection) -> EventRow | None:
    """The row of the newest event; None where there is none."""
    if connection.dialect.name == "sqlite":
        found: EventRow | None = driver(connection).execute(_newest).fetchone()
        return found
    row = connection.exec_driver_sql(_newest).first()
    return tuple(row) if row else None


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
