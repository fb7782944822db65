"""A span of the chain as JSON lines that prove themselves to whoever holds the ledger's key, without the database.

Each line is an event with its signature and the encrypted text that it names; the last line is signed over the first
and the last event, so a line that is missing at either end, or in between, is found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Select, select

from seekloop.artifact import schema
from seekloop.artifact.chain import EventRow
from seekloop.artifact.database import blocks
from seekloop.artifact.journal import Journal, since
from seekloop.artifact.payloads import Payloads, Stored
from seekloop.artifact.records import Event
from seekloop.system import digests
from seekloop.system.errors import LedgerError

__all__ = ["check", "export"]

_names = ("seq", "kind", "subject", "at", "actor", "facts", "prev", "mac")


def export(
    journal: Journal, payloads: Payloads, *, first: str | None, last: str | None, texts: bool
) -> Iterator[dict[str, Any]]:
    """The events of a span, then the line that closes it.

    Args:
        journal: where they are.
        payloads: opens texts.
        first: ISO 8601 time after which they were recorded; None: the beginning.
        last: and until which; None: now.
        texts: whether texts are given in clear too.

    Raises:
        LedgerError: a bound is no time, an event was changed, or a text's key cannot be had.
    """
    query: Select[Any] = select(schema.event)
    if first is not None:
        query = query.where(schema.event.c.at > since(first))
    if last is not None:
        query = query.where(schema.event.c.at <= since(last))
    ends: tuple[int, int, str] | None = None
    for block in blocks(journal.events(query)):
        stored = _stored(journal, block)
        opened = payloads.open(stored.values()) if texts else {}
        for event in block:
            ends = (ends[0] if ends else event.seq, event.seq, event.mac)
            line = {name: vars(event)[name] for name in _names}
            digest = event.facts.get("payload")
            if event.seq in stored:
                line["payload"] = stored[event.seq][1].body
                if texts:
                    line["text"] = opened.get(str(digest))
            yield line
    bounds = ends or (0, 0, "")
    yield {"first": bounds[0], "last": bounds[1], "signature": journal.chain.sign("export", *bounds)}


def check(journal: Journal, lines: Iterable[tuple[str, str]]) -> int:
    """Check what `export` gave; returns how many events it holds.

    Args:
        journal: of the ledger that it came from, or of any with the same key.
        lines: (where, line).

    Raises:
        LedgerError: a line is missing or not as it was written; it is named.
    """
    before: Event | None = None
    start, count = 0, 0
    closed = False
    for where, text in lines:
        try:
            line = json.loads(text)
            if closed:
                raise ValueError("behind the last line")
            if "signature" in line:
                head = (before.seq, before.mac) if before else (0, "")
                if not journal.chain.holds(line["signature"], "export", start, *head):
                    raise ValueError("cut off")
                closed = True
                continue
            event = Event(**{name: line[name] for name in _names})
            _check_line(journal, event, before=before, body=line.get("payload"))
        except (ValueError, KeyError, TypeError, AttributeError, LedgerError) as error:
            raise LedgerError("artifact.export_changed", where=where) from error
        start, before, count = start or event.seq, event, count + 1
    if not closed:
        raise LedgerError("artifact.export_cut", events=count)
    return count


def _check_line(journal: Journal, event: Event, *, before: Event | None, body: str | None) -> None:
    facts = digests.canonical(event.facts).decode()
    row: EventRow = (
        event.seq,
        event.kind,
        event.subject,
        event.at,
        event.actor,
        facts,
        event.prev,
        event.mac,
    )
    if not journal.chain.signed(row):
        raise ValueError("signed otherwise")
    if before is not None and (event.seq, event.prev) != (before.seq + 1, before.mac):
        raise ValueError("does not follow")
    # A text that stood in clear once is named by its digest of then, which only its key shows.
    named = body is None or body.startswith("resealed:") or digests.of_bytes(body.encode()) == event.facts["payload"]
    if not named:
        raise ValueError("another text")


def _stored(journal: Journal, events: list[Event]) -> dict[int, tuple[str, Stored]]:
    """Number of an event -> its id and its text as it is stored."""
    named = {
        event.facts["payload"]: event for event in events if event.kind in ("answer.recorded", "feedback.recorded")
    }
    with journal.database.read() as connection:
        rows = connection.execute(select(schema.payload).where(schema.payload.c.digest.in_(named)))
        return {named[row.digest].seq: (named[row.digest].subject, Stored(*row)) for row in rows}
