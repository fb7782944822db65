"""Which worker serves: follows a ledger alias, and changes workers without failing a request.

The new release is opened, checked, warmed and probed beside the old one; then one assignment makes it the serving one.
Requests that already hold the old worker finish on it, under its name; it is closed when the last has gone, or kept
warm for a rollback.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from seekloop.artifact.ledger import Alias, Ledger
from seekloop.artifact.store import Store
from seekloop.serve.options import GatewayOptions
from seekloop.serve.worker import Opener, Worker
from seekloop.system.errors import EngineError, SeekloopError

__all__ = ["Pool"]


class Pool:
    """The workers of one gateway.

    Args:
        store: where releases and checkpoints are.
        ledger: whose alias is followed.
        opener: starts engines.
        options: alias, waits and whether the previous worker is kept.
    """

    def __init__(self, *, store: Store, ledger: Ledger, opener: Opener, options: GatewayOptions) -> None:
        self._store = store
        self._ledger = ledger
        self._opener = opener
        self._options = options
        self._logger = logging.getLogger("seekloop.serve")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Condition()
        self.serving: Worker | None = None
        self.previous: Worker | None = None
        self.alias: Alias | None = None
        """The move of the alias that is in effect."""
        self.problem: str | None = None
        """Why the newest move is not in effect."""

    def start(self) -> None:
        """Begin to follow the alias and to look after the engines."""
        self._spawn(self._follow())
        self._spawn(self._watch())

    def lease(self) -> Worker:
        """The serving worker, held for a request; the caller gives it back.

        Raises:
            EngineError: nothing is served yet.
        """
        if self.serving is None:
            raise EngineError("serve.nothing_served", alias=self._options.alias)
        self.serving.lease()
        return self.serving

    async def follow(self, version: int) -> None:
        """Wait until the alias's move number `version`, or a later one, is in effect."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.alias is not None and self.alias.version >= version)

    async def close(self) -> None:
        """Stop following, and stop every engine."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in (self.serving, self.previous):
            if worker is not None:
                await worker.close()
        self.serving = self.previous = None

    async def _follow(self) -> None:
        while True:
            error = await _outcome(self._look())
            self.problem = None if error is None else _words(error)
            if error is not None:
                self._logger.error("the alias %s is not followed", self._options.alias, exc_info=error)
            await asyncio.sleep(self._options.poll_s if error is None else self._options.retry_s)

    async def _look(self) -> None:
        alias = await asyncio.to_thread(self._ledger.alias, self._options.alias)
        if alias is None or (self.alias is not None and self.alias.version == alias.version):
            return
        await self._switch(alias)

    async def _switch(self, alias: Alias) -> None:
        worker = await self._worker(alias.target)
        before = self.serving
        # One assignment on the event loop: no request sees anything between the two releases.
        self.serving, self.alias = worker, alias
        if before is not None and before is not worker:
            if self._options.keep_previous:
                self.previous = before
            else:
                self._spawn(_retire(before))
        self._logger.info("%s -> %s (version %d)", alias.name, alias.target, alias.version)
        async with self._changed:
            self._changed.notify_all()

    async def _worker(self, identity: str) -> Worker:
        """A worker for the release that has just given a token: a warm one, or a new one."""
        if self.serving is not None and self.serving.release.id == identity:
            return self.serving
        kept, self.previous = self.previous, None
        if kept is not None and kept.release.id == identity:
            await kept.check()
            await kept.probe()
            return kept
        if kept is not None:
            self._spawn(_retire(kept))
        return await Worker.start(identity, store=self._store, opener=self._opener, options=self._options)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._options.check_s)
            for worker in (self.serving, self.previous):
                error = None if worker is None else await _outcome(worker.check())
                if error is not None:
                    self._logger.error("an engine could not be replaced", exc_info=error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _retire(worker: Worker) -> None:
    """Close a worker once its last request has gone."""
    try:
        await worker.unused()
    finally:
        await worker.close()


async def _outcome(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """The exception that `work` ended with. Whatever goes wrong with one release, the loop goes on."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    return task.exception()


def _words(error: BaseException) -> str:
    return error.sentence() if isinstance(error, SeekloopError) else f"{type(error).__name__}: {error}"
