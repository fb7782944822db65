"""Checks a whole ledger: the chain, its anchors, every payload, and every index row; and rebuilds the index."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from seekloop.artifact import schema
from seekloop.artifact.anchors import Anchors
from seekloop.artifact.chain import GENESIS, Chain, EventRow, event_of
from seekloop.artifact.database import blocks
from seekloop.artifact.journal import Journal
from seekloop.artifact.payloads import Payloads, Stored
from seekloop.artifact.projection import Kind, project, rows_of
from seekloop.artifact.records import Event
from seekloop.system.errors import LedgerError

__all__ = ["rebuild", "verify"]

_page = 5_000
_with_payload = (Kind.ANSWERED, Kind.FEEDBACK, Kind.SHADOWED)


def verify(journal: Journal, anchors: Anchors | None, *, payloads: Payloads) -> int:
    """Check everything; returns how many events there are.

    Raises:
        LedgerError: names the first event, payload or index row that is not as it was written.
    """
    heads: dict[int, set[str]] = defaultdict(set)
    for anchor in anchors.read() if anchors else ():
        heads[anchor.seq].add(anchor.mac)
    with journal.database.read(snapshot=True) as connection:
        count = _Walk(connection, journal.chain, heads=heads, payloads=payloads).run()
        journal.database.check(connection)
    return count


def rebuild(journal: Journal) -> None:
    """Make every index table anew from the events.

    Raises:
        LedgerError: the chain does not hold; nothing was changed.
    """
    with journal.database.write() as connection:
        for table in reversed(schema.projections):
            connection.execute(delete(table))
        seq, prev = 0, GENESIS
        while rows := _page_after(connection, seq):
            project(connection, map(event_of, journal.chain.check(rows, after=seq, prev=prev)))
            seq, prev = rows[-1][0], rows[-1][7]


class _Walk:
    """One pass over the chain on one connection; `tally` counts the rows that the events account for."""

    def __init__(
        self, connection: Connection, chain: Chain, *, heads: Mapping[int, set[str]], payloads: Payloads
    ) -> None:
        self._connection = connection
        self._chain = chain
        self._payloads = payloads
        self._heads = heads
        self._tally: Counter[Table] = Counter()

    def run(self) -> int:
        """Check every event, page by page, then that nothing else is there; returns the number of the last."""
        seq, prev = 0, GENESIS
        while rows := _page_after(self._connection, seq):
            events = []
            for row in self._chain.check(rows, after=seq, prev=prev):
                if self._heads.get(row[0], {row[7]}) != {row[7]}:
                    raise LedgerError("artifact.chain_broken", seq=row[0])
                events.append(event_of(row))
            self._check_index(events)
            self._check_payloads(events)
            seq, prev = events[-1].seq, events[-1].mac
        if (anchored := max(self._heads, default=0)) > seq:
            raise LedgerError("artifact.chain_cut", seq=seq + 1, anchored=anchored)
        for table in (*schema.projections, schema.payload):
            if self._connection.execute(select(func.count()).select_from(table)).scalar_one() != self._tally[table]:
                raise LedgerError("artifact.stray_rows", table=table.name)
        return seq

    def _check_index(self, events: list[Event]) -> None:
        """Every index row of these events is there, as they say, and there is no other."""
        wanted: dict[Table, set[tuple[Any, ...]]] = defaultdict(set)
        for event in events:
            for table, row in rows_of(event):
                wanted[table].add(tuple(row[column.name] for column in table.columns))
        for table in schema.projections:
            between = table.c.seq.between(events[0].seq, events[-1].seq)
            present = {tuple(row) for row in self._connection.execute(select(table).where(between))}
            if wrong := wanted[table] ^ present:
                place = list(table.columns).index(table.c.seq)
                raise LedgerError("artifact.index_changed", seq=min(row[place] for row in wrong), table=table.name)
            self._tally[table] += len(present)

    def _check_payloads(self, events: list[Event]) -> None:
        """Every payload of these events is what was digested, or was erased by an event."""
        owners = {event.facts["payload"]: event for event in events if event.kind in _with_payload}
        for block in blocks(list(owners)):
            keys = {owners[digest].facts.get("key") for digest in block} - {None}
            rows = self._connection.execute(select(schema.payload).where(schema.payload.c.digest.in_(block)))
            present = {row.digest: Stored(*row) for row in rows}
            among = schema.erasure.c.digest.in_([*block, *keys])
            erased = set(self._connection.execute(select(schema.erasure.c.digest).where(among)).scalars())
            for digest in block:
                event, stored = owners[digest], present.get(digest)
                facts = {"seq": event.seq, "subject": event.subject}
                if stored is None and not {digest, event.facts.get("key")} & erased:
                    raise LedgerError("artifact.payload_missing", **facts)
                if stored is not None and not self._payloads.holds(event.subject, stored):
                    raise LedgerError("artifact.payload_changed", **facts)
            self._tally[schema.payload] += len(present)


def _page_after(connection: Connection, after: int) -> list[EventRow]:
    seq = schema.event.c.seq
    found = connection.execute(select(schema.event).where(seq > after).order_by(seq).limit(_page))
    return [tuple(row) for row in found]
