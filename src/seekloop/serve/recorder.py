"""Group commit: answers that end within a few milliseconds of each other become durable in one transaction."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence

from seekloop.artifact.ledger import Answer, Ledger
from seekloop.system.errors import LedgerError, SeekloopError

__all__ = ["Recorder"]

_largest_batch = 256
_look_s, _log_rows = 0.2, 64
"""How often, and after how many answers, the database's log is emptied."""
_Item = tuple[Answer, "asyncio.Future[None]"]


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
        # Straight to the thread: a task of the event loop in between would cost as much as a row.
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._emptying = threading.Thread(target=self._keep_log_short, name="log", daemon=True)
        self.failing = False
        """The newest batch could not be written."""
        self.written = 0
        """Answers written so far."""

    @property
    def waiting(self) -> int:
        """Answers that wait to be written."""
        return self._queue.qsize()

    def start(self) -> None:
        """Begin to write."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=[loop], name="recorder", daemon=True)
        self._thread.start()
        self._emptying.start()

    def record(self, answer: Answer) -> asyncio.Future[None]:
        """Queue an answer now; the future is done once the answer is durable.

        It ends in a LedgerError where the ledger could not be written.
        """
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((answer, durable))
        return durable

    async def close(self) -> None:
        """Write what is queued, then stop."""
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
            self._closing.set()
            await asyncio.to_thread(self._emptying.join)

    def _keep_log_short(self) -> None:
        """Empty the database's log beside the writing, on a thread: within it, everybody would wait for that."""
        emptied_at = 0
        while not self._closing.wait(_look_s):
            if self.written - emptied_at < _log_rows:
                continue
            emptied_at = self.written
            try:
                self._ledger.empty_log()
            except LedgerError as error:
                self._logger.warning("the ledger's log could not be emptied: %s", error.sentence("en"))

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while batch := self._batch():
            error = self._write([answer for answer, _ in batch])
            loop.call_soon_threadsafe(self._settle, [durable for _, durable in batch], error)

    def _settle(self, batch: Sequence[asyncio.Future[None]], error: LedgerError | None) -> None:
        """Tell those who wait, on the event loop."""
        self.failing = error is not None
        self.written += 0 if error else len(batch)
        for durable in batch:
            if durable.cancelled():
                continue
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)

    def _batch(self) -> list[_Item]:
        """What came within the window after the next answer; empty at the end."""
        item = self._queue.get()
        if item is not None and self._window_s and self._queue.empty():
            time.sleep(self._window_s)
        batch = []
        while item is not None:
            batch.append(item)
            if len(batch) == _largest_batch or self._queue.empty():
                return batch
            item = self._queue.get()
        if batch:
            self._queue.put(None)
        return batch

    def _write(self, answers: Sequence[Answer]) -> LedgerError | None:
        try:
            self._ledger.record_answers(answers)
        except Exception as error:  # whatever it is, those who wait must be told
            self._logger.error("%d answers could not be recorded", len(answers), exc_info=error)
            reason = error.sentence() if isinstance(error, SeekloopError) else str(error) or type(error).__name__
            return LedgerError("serve.not_recorded", reason=reason)
        return None
