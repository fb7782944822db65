"""The keyed hash chain: each event is signed together with the signature of the one before."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring as quoted
from typing import Any

from seekloop.artifact.records import Event
from seekloop.system import digests
from seekloop.system.errors import LedgerError

__all__ = ["GENESIS", "Chain", "EventRow", "event_of"]

GENESIS = "0" * 64
"""`prev` of the first event."""

EventRow = tuple[int, str, str, str, str, str, str, str]
"""A row of `schema.event`: seq, kind, subject, at, actor, facts (canonical JSON), prev, mac."""

_block, _inner, _outer = 64, 0x36, 0x5C
"""Of HMAC with SHA-256 (RFC 2104, section 2)."""


class Chain:
    """Signs events and checks them.

    Args:
        key: the secret of the ledger; whoever holds it can write a chain of their own.
    """

    def __init__(self, key: bytes) -> None:
        whole = hashlib.sha256(key).digest() if len(key) > _block else key
        padded = whole.ljust(_block, b"\0")
        # What the key alone makes of both hashes, so that no signature begins with it. And `hmac` gives up Python's
        # lock, which the thread that records would have to win back in the middle of a transaction.
        self._started = tuple(hashlib.sha256(bytes(byte ^ pad for byte in padded)) for pad in (_inner, _outer))

    def sign(self, *values: int | str) -> str:
        """HMAC-SHA256, in hex, of the canonical JSON of `values`."""
        return self._mac(digests.canonical(values))

    def holds(self, mac: str, *values: int | str) -> bool:
        """Whether `mac` is the signature of `values`."""
        return hmac.compare_digest(mac.encode(), self.sign(*values).encode())

    def signed(self, row: EventRow) -> bool:
        """Whether an event carries the signature of this key."""
        # SQLite keeps whatever type it is given: a changed row may hold bytes where text was.
        return set(map(type, row[1:])) == {str} and self.holds(row[7], *row[:7])

    def read(self, row: EventRow) -> Event:
        """The event in a row of the database.

        Raises:
            LedgerError: it does not carry the signature of this key.
        """
        if not self.signed(row):
            raise LedgerError("artifact.chain_broken", seq=row[0])
        return event_of(row)

    def link(
        self, *, seq: int, prev: str, at: str, kind: str, subject: str, actor: str, facts: Mapping[str, Any]
    ) -> EventRow:
        """The signed row of a new event.

        Raises:
            ValueError, TypeError: the facts are not JSON.
        """
        text = digests.canonical(facts).decode()
        mac = self.sign(seq, kind, subject, at, actor, text, prev)
        return seq, kind, subject, at, actor, text, prev, mac

    def check(self, rows: Iterable[EventRow], *, after: int, prev: str) -> Iterator[EventRow]:
        """Give back `rows`, each checked against the one before.

        Args:
            rows: in the order of their numbers.
            after: number of the event before the first row.
            prev: its mac.

        Raises:
            LedgerError: an event is missing, was changed, or does not follow from the one before; its number is named.
        """
        for row in rows:
            after += 1
            seq, kind, subject, at, actor, facts, before, mac = row
            if seq != after:
                raise LedgerError("artifact.chain_gap", seq=after)
            if before != prev:
                raise LedgerError("artifact.chain_broken", seq=after)
            try:
                # The canonical JSON of these values (`sign`), written out: it is most of what a verification does.
                text = (
                    f"[{after},{quoted(kind)},{quoted(subject)},{quoted(at)},{quoted(actor)},{quoted(facts)}"
                    f",{quoted(before)}]"
                ).encode()
            except (TypeError, UnicodeEncodeError) as error:  # SQLite keeps whatever type it is given
                raise LedgerError("artifact.chain_broken", seq=after) from error
            if self._mac(text) != mac:
                raise LedgerError("artifact.chain_broken", seq=after)
            prev = mac
            yield row

    def _mac(self, text: bytes) -> str:
        inner, outer = self._started
        first, second = inner.copy(), outer.copy()
        first.update(text)
        second.update(first.digest())
        return second.hexdigest()


def event_of(row: EventRow) -> Event:
    """The event in a row whose signature is known to hold."""
    seq, kind, subject, at, actor, facts, prev, mac = row
    return Event(seq=seq, kind=kind, subject=subject, at=at, actor=actor, facts=json.loads(facts), prev=prev, mac=mac)
