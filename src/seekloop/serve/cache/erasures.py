"""Which answers were erased: followed in the ledger, so that no copy of a text outlives it by more than seconds."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable

from seekloop.artifact.ledger import Event, Ledger
from seekloop.artifact.projection import Kind
from seekloop.serve.cache.kept import Kept
from seekloop.system.clock import Clock

__all__ = ["Erasures"]

_erased_whole = "subject.erased"
"""All texts of a person went with their keys; which answers these were is not told."""
_remembered = 10_000
_patience = 5
_apart_s = 3600.0
"""How far the clocks of machines that share a ledger may be apart."""


class Erasures:
    """Follows the ledger's erasures; what was erased while no gateway ran counts too.

    Args:
        ledger: where answers are erased.
        forget: called with the id of each answer that was, and with None where it may have been any.
        every_s: how often the ledger is asked.
        ttl_s: how long answers are kept; what was erased longer ago is kept nowhere.
        clock: measures how old the last answer is.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        forget: Callable[[str | None], Awaitable[None]],
        every_s: float,
        ttl_s: float,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._forget = forget
        self._every_s = every_s
        self._clock = clock
        self._logger = logging.getLogger("seekloop.serve")
        self._oldest = clock.now().timestamp() - ttl_s - _apart_s
        self._seen = 0
        self._gone: dict[str, None] = {}
        self._all_until = float("-inf")
        self._told_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    @property
    def known(self) -> bool:
        """Whether the ledger said not long ago what is erased."""
        patience = max(_patience * self._every_s, _patience)
        return self._told_at is not None and self._clock.monotonic() - self._told_at <= patience

    def took(self, kept: Kept) -> bool:
        """Whether an answer was erased, or may have been."""
        return kept.answer in self._gone or kept.at <= self._all_until

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def note(self, answer: str) -> None:
        """This answer was erased."""
        self._gone[answer] = None
        while len(self._gone) > _remembered:
            del self._gone[next(iter(self._gone))]
        await self._forget(answer)

    async def note_all(self, until: float) -> None:
        """Any answer that was asked for until this moment, in seconds since 1970, may have been erased."""
        self._all_until = max(self._all_until, until)
        await self._forget(None)

    async def _follow(self) -> None:
        while True:
            reading = asyncio.create_task(asyncio.to_thread(self._fresh))
            await asyncio.wait({reading})
            error = reading.exception()
            if error is None:
                for event in reading.result():
                    await self._take(event)
                    self._seen = max(self._seen, event.seq)
                self._told_at = self._clock.monotonic()
            elif not self._failing:
                self._logger.warning("the cache waits until the ledger says what was erased: %s", error)
            self._failing = error is not None
            await asyncio.sleep(self._every_s)

    async def _take(self, event: Event) -> None:
        at = dt.datetime.fromisoformat(event.at).timestamp()
        if at < self._oldest:
            return
        if event.kind == _erased_whole:
            await self.note_all(at)
        elif event.kind == Kind.EXPIRED:
            await self.note_all(dt.datetime.fromisoformat(event.facts["until"]).timestamp())
        else:
            await self.note(event.subject)

    def _fresh(self) -> list[Event]:
        kinds = (Kind.ERASED, _erased_whole, Kind.EXPIRED)
        found = [event for kind in kinds for event in self._ledger.events(kind=kind, after=self._seen)]
        return sorted(found, key=lambda event: event.seq)
