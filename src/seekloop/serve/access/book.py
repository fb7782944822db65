"""The ledger's keys in memory: read once, then followed, so that asking for one costs no query."""

from __future__ import annotations

import asyncio
import datetime as dt

from seekloop.artifact.credentials import Credential, apply
from seekloop.artifact.journal import stamp
from seekloop.artifact.ledger import Ledger
from seekloop.system.clock import Clock
from seekloop.system.errors import LedgerError

__all__ = ["Book"]

_stale_s = 10.0
"""Without a look at the ledger for so long, nobody knows whether a key still counts."""


class Book:
    """Every key by its id. Used from one event loop.

    Args:
        ledger: where keys are made and revoked.
        clock: tells what has expired, and how old the last look is.
    """

    def __init__(self, ledger: Ledger, *, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._known: dict[str, Credential] = {}
        self._seq = 0
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def stamp(self) -> str:
        """Now, as the ledger writes it."""
        return stamp(self._clock.now())

    def genuine_tag(self, *parts: str) -> str:
        """The check digits of texts, under the ledger's key."""
        return self._ledger.credentials.tag(*parts)

    def get(self, identity: str) -> Credential | None:
        """The newest state of a key; another object whenever something happened to it."""
        return self._known.get(identity)

    def lasts(self, credential: Credential) -> float:
        """Seconds until a key expires; infinite where it does not."""
        if credential.expires_at is None:
            return float("inf")
        return (dt.datetime.fromisoformat(credential.expires_at) - self._clock.now()).total_seconds()

    def check(self) -> None:
        """Make sure that what is known is new enough to count.

        Raises:
            LedgerError: the ledger could not be read for ten seconds.
        """
        if self._clock.monotonic() - self._read_at > _stale_s:
            raise LedgerError("access.keys_unread", seconds=_stale_s)

    async def find(self, identity: str) -> Credential | None:
        """The state of a key that may have been made a moment ago; reads the ledger where it is not known."""
        if identity not in self._known:
            await self.read()
        return self._known.get(identity)

    async def read(self) -> None:
        """Read what happened to keys since the last time.

        Raises:
            LedgerError: the ledger cannot be read, or an event does not carry its signature.
        """
        async with self._reading:
            began = self._clock.monotonic()
            events = await asyncio.to_thread(self._ledger.credentials.events, after=self._seq)
            if events:
                apply(self._known, events)
                self._seq = events[-1].seq
            self._read_at = began
