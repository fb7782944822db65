"""Checks a whole ledger: the chain, its anchors, every payload, and every index row; and rebuilds the index."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select

from seekloop.artifact import schema
from seekloop.artifact.anchors import Anchors
from seekloop.artifact.chain import GENESIS, Chain, EventRow, event_of
from seekloop.artifact.database import blocks, select_among, select_rows
from seekloop.artifact.journal import Journal
from seekloop.artifact.payloads import Payloads, Stored, is_sealed
from seekloop.artifact.projection import Kind, project, rows_from
from seekloop.system.errors import LedgerError

__all__ = ["rebuild", "verify"]

_page = 10_000
_with_payload = frozenset({Kind.ANSWERED.value, Kind.FEEDBACK.value, Kind.SHADOWED.value})
_columns = {table: ", ".join(table.c.keys()) for table in (schema.event, schema.payload, *schema.projections)}
_payloads = f"SELECT {_columns[schema.payload]} FROM payload WHERE digest IN"
_places = {table: list(table.c.keys()).index("seq") for table in schema.projections}
Facts = dict[str, Any]


def verify(journal: Journal, anchors: Anchors | None, *, payloads: Payloads) -> int:
    """Check everything; returns how many events there are.

    SQLite's own check runs on a connection and thread of its own meanwhile: it is about any committed state, while the
    walk is about one.

    Raises:
        LedgerError: names the first event, payload or index row that is not as it was written.
    """
    heads: dict[int, set[str]] = defaultdict(set)
    for anchor in anchors.read() if anchors else ():
        heads[anchor.seq].add(anchor.mac)
    with ThreadPoolExecutor(1, thread_name_prefix="verify") as pool:
        checked = pool.submit(journal.database.check)
        with journal.database.read(snapshot=True) as connection:
            count = _Walk(connection, journal.chain, heads=heads, payloads=payloads).run()
        checked.result()
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
            events = map(event_of, journal.chain.check(rows, after=seq, prev=prev))
            project(connection, ((event.kind, event.subject, event.seq, event.facts) for event in events))
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
            for row in self._chain.check(rows, after=seq, prev=prev):
                if row[0] in self._heads and self._heads[row[0]] != {row[7]}:
                    raise LedgerError("artifact.chain_broken", seq=row[0])
            facts: list[Facts] = [json.loads(row[5]) for row in rows]
            self._check_index(rows, facts)
            self._check_payloads(rows, facts)
            seq, prev = rows[-1][0], rows[-1][7]
        if (anchored := max(self._heads, default=0)) > seq:
            raise LedgerError("artifact.chain_cut", seq=seq + 1, anchored=anchored)
        for table in (*schema.projections, schema.payload):
            if self._connection.execute(select(func.count()).select_from(table)).scalar_one() != self._tally[table]:
                raise LedgerError("artifact.stray_rows", table=table.name)
        return seq

    def _check_index(self, rows: Sequence[EventRow], facts: Sequence[Facts]) -> None:
        """Every index row of these events is there, as they say, and there is no other."""
        wanted: dict[Table, set[tuple[Any, ...]]] = defaultdict(set)
        for event, told in zip(rows, facts, strict=True):
            for table, row in rows_from(event[1], event[2], seq=event[0], facts=told):
                wanted[table].add(tuple(row.values()))
        ends = {"first": rows[0][0], "last": rows[-1][0]}
        for table in schema.projections:
            statement = f"SELECT {_columns[table]} FROM {table.name} WHERE seq BETWEEN :first AND :last"
            present = set(select_rows(self._connection, statement, values=ends))
            if wrong := wanted[table] ^ present:
                raise LedgerError(
                    "artifact.index_changed", seq=min(row[_places[table]] for row in wrong), table=table.name
                )
            self._tally[table] += len(present)

    def _check_payloads(self, rows: Sequence[EventRow], facts: Sequence[Facts]) -> None:
        """Every payload of these events is what was digested, or was erased by an event."""
        named = [(row, told) for row, told in zip(rows, facts, strict=True) if row[1] in _with_payload]
        for block in blocks(named):
            digests = [told["payload"] for _, told in block]
            found = select_among(self._connection, _payloads, among=digests)
            present = {digest: (body, key) for digest, body, key in found}
            missing = []
            for (row, told), digest in zip(block, digests, strict=True):
                if digest not in present:
                    missing.append((row, told))
                    continue
                body, key = present[digest]
                if not is_sealed(digest, body, key=key) and not self._payloads.holds(row[2], Stored(digest, body, key)):
                    raise LedgerError("artifact.payload_changed", seq=row[0], subject=row[2])
            self._check_missing(missing)
            self._tally[schema.payload] += len(present)

    def _check_missing(self, missing: Sequence[tuple[EventRow, Facts]]) -> None:
        """Texts that are gone were erased, each by an event or with its key."""
        if not missing:
            return
        among = {told[name] for _, told in missing for name in ("payload", "key") if name in told}
        erased: set[str] = set()
        for block in blocks(sorted(among)):
            query = select(schema.erasure.c.digest).where(schema.erasure.c.digest.in_(block))
            erased.update(self._connection.execute(query).scalars())
        for row, told in missing:
            if not {told["payload"], told.get("key")} & erased:
                raise LedgerError("artifact.payload_missing", seq=row[0], subject=row[2])


def _page_after(connection: Connection, after: int) -> list[EventRow]:
    statement = f"SELECT {_columns[schema.event]} FROM event WHERE seq > :after ORDER BY seq LIMIT {_page}"
    return select_rows(connection, statement, values={"after": after})
