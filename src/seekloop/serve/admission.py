"""How many requests are worked on, how many may wait, and who is told to come back."""

from __future__ import annotations

import asyncio

from seekloop.system.errors import EngineError

__all__ = ["Admission"]


class Admission:
    """A bounded first-come-first-served queue in front of a fixed number of streams.

    Args:
        streams: requests worked on at the same time.
        max_queue: requests that may wait.
        timeout_s: longest wait, in seconds.
    """

    def __init__(self, *, streams: int, max_queue: int, timeout_s: float) -> None:
        self._free = asyncio.Semaphore(streams)
        self._max_queue = max_queue
        self._timeout_s = timeout_s
        self.waiting = 0
        self.closed = False

    async def enter(self) -> None:
        """Wait for a stream; `leave` gives it back.

        Raises:
            EngineError: the queue is full, the wait was too long, or the gateway is closing.
        """
        self._check_open()
        if self._free.locked() and self.waiting >= self._max_queue:
            raise EngineError("serve.queue_full", waiting=self.waiting)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise EngineError("serve.queue_slow", seconds=self._timeout_s) from error
        finally:
            self.waiting -= 1

    def leave(self) -> None:
        """Give a stream back."""
        self._free.release()

    def close(self) -> None:
        """Refuse whoever comes from now on; those who wait are still let in."""
        self.closed = True

    def _check_open(self) -> None:
        if self.closed:
            raise EngineError("serve.closing")
