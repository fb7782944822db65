"""Answers that nobody is shown: what a candidate would have said, asked of it once the client has its answer.

They have the lowest priority: one at a time, and only while no client waits for room. What cannot be asked in time is
left out, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from seekloop.artifact.ledger import Answer, Ledger
from seekloop.serve.reply import Order, Reply
from seekloop.serve.rollout.lease import Lease
from seekloop.serve.rollout.place import Placed
from seekloop.serve.worker import Worker
from seekloop.system.clock import Clock
from seekloop.system.errors import SeekloopError

__all__ = ["Shadows"]

_room = 64
_wait_s = 0.02
_whole = ("stop", "length", "tool_calls")


@dataclass(frozen=True, kw_only=True)
class _Job:
    of: str
    """Id of the answer that the client got."""
    worker: Worker
    """Held until the job is done or left out."""
    placed: Placed
    order: Callable[..., Order]


class Shadows:
    """Asks candidates what clients asked.

    Args:
        ledger: where rows go, of a kind that is no answer of production.
        clock: dates and times them.
        idle: whether no client waits for room.
    """

    def __init__(self, ledger: Ledger, *, clock: Clock, idle: Callable[[], bool]) -> None:
        self.left_out = 0
        """Requests that a candidate was not asked, because too many were waiting or it could not take them."""
        self._ledger = ledger
        self._clock = clock
        self._idle = idle
        self._queue: asyncio.Queue[_Job] = asyncio.Queue(_room)
        self._logger = logging.getLogger("seekloop.serve")
        self._task: asyncio.Task[None] | None = None
        self._reply: Reply | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ask nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._reply is not None:
            self._reply.cancel()
            await self._reply.ended()
        while not self._queue.empty():
            self._queue.get_nowait().worker.give_back()

    def offer(self, reply: Reply, *, by: tuple[Worker, Placed], order: Callable[..., Order]) -> None:
        """Have `by` asked what `reply` has just answered."""
        if reply.finish_reason not in _whole:
            return
        if self._queue.full():
            self.left_out += 1
            return
        worker, placed = by
        worker.lease()
        self._queue.put_nowait(_Job(of=reply.id, worker=worker, placed=placed, order=order))

    async def _run(self) -> None:
        while True:
            job = await self._queue.get()
            try:
                while not self._idle():
                    await asyncio.sleep(_wait_s)
            except asyncio.CancelledError:
                job.worker.give_back()
                raise
            await self._ask(job)

    async def _ask(self, job: _Job) -> None:
        try:
            order = job.order(worker=job.worker, asked_at=self._clock.monotonic())
        except SeekloopError as error:
            self.left_out += 1
            job.worker.give_back()
            self._logger.warning("%s: a shadow was left out: %s", job.of, error.sentence("en"))
            return
        lease = Lease(worker=job.worker, placed=job.placed, retries=False)
        rows = _Rows(self._ledger, of=job.of)
        self._reply = Reply(order, lease=lease, recorder=rows, clock=self._clock, on_free=_nothing)
        await self._reply.ended()
        self._reply = None


class _Rows:
    """Records what it is given as shadows of one answer."""

    def __init__(self, ledger: Ledger, *, of: str) -> None:
        self.failing = False
        self._ledger = ledger
        self._of = of

    def record(self, answer: Answer) -> Awaitable[None]:
        """Done once it is durable, or its answer was erased meanwhile."""
        return self._write(answer)

    async def _write(self, answer: Answer) -> None:
        await asyncio.to_thread(self._ledger.record_shadow, answer, of=self._of)


def _nothing() -> None:
    """A shadow takes no client's room, so it gives none back."""
