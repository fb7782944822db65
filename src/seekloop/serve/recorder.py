"""Group commit: answers that end within a few milliseconds of each other become durable in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from seekloop.artifact.ledger import Answer, Ledger
from seekloop.system.errors import LedgerError, SeekloopError

__all__ = ["Recorder"]

_largest_batch = 256


class Recorder:
    """Writes answers to the ledger from a thread of its own; use it from one event loop.

    Args:
        ledger: where answers go.
        window_s: how long the first answer of a batch waits for others.
    """

    def __init__(self, ledger: Ledger, *, window_s: float) -> None:
        self._ledger = ledger
        self._window_s = window_s
        self._logger = logging.getLogger("seekloop.serve")
        self._queue: asyncio.Queue[tuple[Answer, asyncio.Future[None]] | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._task: asyncio.Task[None] | None = None
        self.failing = False
        """The newest batch could not be written."""

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    def record(self, answer: Answer) -> asyncio.Future[None]:
        """Queue an answer now; the future is done once the answer is durable.

        It ends in a LedgerError where the ledger could not be written.
        """
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((answer, durable))
        return durable

    async def close(self) -> None:
        """Write what is queued, then stop."""
        if self._task is not None:
            self._queue.put_nowait(None)
            await self._task
            self._task = None
        self._thread.shutdown()

    async def _run(self) -> None:
        while batch := await self._batch():
            error = await self._write([answer for answer, _ in batch])
            self.failing = error is not None
            for _, durable in batch:
                if durable.cancelled():
                    continue
                if error is None:
                    durable.set_result(None)
                else:
                    durable.set_exception(error)

    async def _batch(self) -> list[tuple[Answer, asyncio.Future[None]]]:
        """What came within the window after the next answer; empty at the end."""
        item = await self._queue.get()
        if item is not None and self._queue.empty():
            await asyncio.sleep(self._window_s)
        batch = []
        while item is not None:
            batch.append(item)
            if len(batch) == _largest_batch or self._queue.empty():
                return batch
            item = self._queue.get_nowait()
        if batch:
            self._queue.put_nowait(None)
        return batch

    async def _write(self, answers: Sequence[Answer]) -> LedgerError | None:
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._thread, self._ledger.record_answers, answers)
        await asyncio.wait({writing})
        error = writing.exception()
        if error is None:
            return None
        self._logger.error("%d answers could not be recorded", len(answers), exc_info=error)
        reason = error.sentence() if isinstance(error, SeekloopError) else str(error) or type(error).__name__
        return LedgerError("serve.not_recorded", reason=reason)
