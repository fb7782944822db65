"""One request's hold on a stream: given back at the end, or before, when a higher tier needs it and nothing is lost."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from seekloop.serve.queueing.admission import Admission
from seekloop.serve.queueing.line import Ticket

__all__ = ["Turn"]

ResultT = TypeVar("ResultT")


class Turn:
    """A ticket that is inside.

    Args:
        admission: that let it in.
        ticket: of the request.
    """

    def __init__(self, admission: Admission, ticket: Ticket) -> None:
        self._admission = admission
        self._ticket = ticket

    @property
    def sent_back(self) -> int:
        """How often the stream was given to a higher tier."""
        return self._ticket.sent_back

    def keep(self) -> None:
        """Hold the stream to the end: something was let out, so the work cannot be begun again unseen."""
        self._ticket.back = None

    def leave(self) -> None:
        """Give the stream back."""
        self._admission.leave(self._ticket)

    def _stop(self, scope: asyncio.Timeout) -> None:
        # What is stopping already may have its next stream before it has stopped: it is not stopped twice.
        self._ticket.back = None
        scope.reschedule(0.0)

    async def through(self, work: Callable[[], Awaitable[ResultT]], *, undo: Callable[[], None]) -> ResultT:
        """What `work` comes to. Where a higher tier takes the stream, it is cancelled, waits, and is done again.

        Args:
            work: may be cancelled and done again until it says `keep`.
            undo: forgets what it did so far.

        Raises:
            EngineError: it was sent back and waited too long, lost its place, or we close.
        """
        while True:
            try:
                async with asyncio.timeout(None) as scope:
                    self._ticket.back = functools.partial(self._stop, scope)
                    return await work()
            except TimeoutError:
                if not scope.expired():
                    raise
            finally:
                self._ticket.back = None
            undo()
            await self._admission.again(self._ticket)
