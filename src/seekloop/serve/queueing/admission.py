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
        self._again: dict[Ticket, asyncio.Future[None]] = {}
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

    @property
    def sent_back(self) -> int:
        """How often a stream was given to a higher tier."""
        return self._line.sent_back

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
        self._move(self._line.enter(ticket, now=now, read_per_s=read_per_s))
        if ticket.place == "waiting":
            turn = self._turns[ticket] = asyncio.get_running_loop().create_future()
            await self._turn_of(ticket, turn, wait_s=wait_s)
        return ticket

    async def again(self, ticket: Ticket) -> None:
        """Wait for a stream once more, after the last one was given to a higher tier; the deadline stays.

        Raises:
            EngineError: it waited too long, a higher tier took its place, or we close.
        """
        turn = self._again.pop(ticket)
        await self._turn_of(ticket, turn, wait_s=max(0.0, ticket.deadline - self._clock.monotonic()))

    def leave(self, ticket: Ticket) -> None:
        """Give a stream back, or the place in the queue of one that was sent back to it."""
        if ticket.place == "inside":
            self._tell(self._line.leave(ticket, now=self._clock.monotonic()))
        self._line.drop(ticket)
        self._turns.pop(ticket, None)
        if (turn := self._again.pop(ticket, None)) is not None and not turn.cancel() and not turn.cancelled():
            turn.exception()  # nobody will wait for it any more

    def close(self) -> None:
        """Refuse whoever waits, and whoever comes from now on."""
        self.closed = True
        waiting = list(self._turns)
        for ticket in waiting:
            self._line.drop(ticket)
        self._refuse(waiting, code="serve.closing")

    async def _turn_of(self, ticket: Ticket, turn: asyncio.Future[None], *, wait_s: float) -> None:
        timer = asyncio.get_running_loop().call_later(wait_s, self._expire, ticket)
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

    def _move(self, moves: Moves) -> None:
        self._refuse(moves.shed, code="queueing.shed")
        for ticket in moves.back:
            assert ticket.back is not None
            self._turns[ticket] = self._again[ticket] = asyncio.get_running_loop().create_future()
            ticket.back()

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
