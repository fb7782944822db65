"""The way in: waits in the line on the event loop, and is told what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from seekloop.serve.queueing.line import Line, Moves, Ticket
from seekloop.serve.queueing.options import QueueOptions
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError

__all__ = ["Admission"]


class Admission:
    """A tiered, bounded queue in front of a fixed number of streams; use it from one event loop.

    Args:
        streams: requests worked on at the same time.
        options: who may wait, and for how long.
        clock: what deadlines are held against.
    """

    def __init__(self, *, streams: int, options: QueueOptions, clock: Clock) -> None:
        self._line = Line(streams=streams, options=options)
        self._timeout_s = options.timeout_s
        self._clock = clock
        self._turns: dict[Ticket, asyncio.Future[None]] = {}
        self.closed = False

    @property
    def waiting(self) -> int:
        """Requests that wait for a stream."""
        return self._line.waiting

    @property
    def waiting_tokens(self) -> int:
        """Prompt tokens of the requests that wait."""
        return self._line.tokens

    @property
    def inside(self) -> int:
        """Requests that hold a stream."""
        return self._line.inside

    async def enter(
        self, *, tier: int, tokens: int, read_per_s: float | None, patience_s: float | None = None
    ) -> Ticket:
        """Wait for a stream; `leave` gives it back.

        Args:
            tier: 0 is the highest.
            tokens: of the prompt.
            read_per_s: prompt tokens that the engine reads a second; None: not known yet.
            patience_s: how long the client waits; None: it does not say.

        Raises:
            EngineError: too much waits already, it waited too long, a higher tier took its place, or we close.
        """
        if self.closed:
            raise EngineError("serve.closing")
        now = self._clock.monotonic()
        wait_s = self._timeout_s if patience_s is None else min(patience_s, self._timeout_s)
        ticket = Ticket(tier=tier, tokens=tokens, came=now, deadline=now + wait_s)
        self._tell(self._line.settle(now))
        self._refuse(self._line.enter(ticket, now=now, read_per_s=read_per_s), code="queueing.shed")
        if ticket.place == "waiting":
            await self._turn_of(ticket, wait_s=wait_s)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give a stream back."""
        self._tell(self._line.leave(ticket, now=self._clock.monotonic()))

    def close(self) -> None:
        """Refuse whoever waits, and whoever comes from now on."""
        self.closed = True
        waiting = list(self._turns)
        for ticket in waiting:
            self._line.drop(ticket)
        self._refuse(waiting, code="serve.closing")

    async def _turn_of(self, ticket: Ticket, *, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        turn = self._turns[ticket] = loop.create_future()
        timer = loop.call_later(wait_s, self._expire, ticket)
        try:
            await turn
        except asyncio.CancelledError:
            # Its turn may have come at the very moment it gave up.
            if ticket.place == "inside":
                self.leave(ticket)
            raise
        finally:
            timer.cancel()
            self._turns.pop(ticket, None)
            self._line.drop(ticket)

    def _expire(self, ticket: Ticket) -> None:
        if ticket.place == "waiting":
            self._line.drop(ticket)
            self._refuse([ticket], code="queueing.late")

    def _tell(self, moves: Moves) -> None:
        for ticket in moves.started:
            turn = self._turns.pop(ticket)
            if not turn.done():
                turn.set_result(None)
        self._refuse(moves.late, code="queueing.late")

    def _refuse(self, tickets: Iterable[Ticket], *, code: str) -> None:
        now = self._clock.monotonic()
        for ticket in tickets:
            turn, retry_s = self._turns.pop(ticket), self._line.retry_s(ticket.tier, now=now)
            if not turn.done():
                turn.set_exception(EngineError(code, seconds=now - ticket.came, retry_s=retry_s))
