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
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.follower import Follower
from seekloop.serve.rollout.lease import Lease
from seekloop.serve.tending import outcome, retire, words
from seekloop.serve.worker import Opener, Worker
from seekloop.system.errors import EngineError, UsageError

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
        self._looked_at: set[Worker] = set()
        self._changed = asyncio.Condition()
        self.serving: Worker | None = None
        self.previous: Worker | None = None
        self.alias: Alias | None = None
        """The move of the alias that is in effect."""
        self.problem: str | None = None
        """Why the newest move is not in effect."""
        self.rollouts = Follower(
            desk=Desk(ledger=ledger, store=store), alias=lambda: self.alias, start=self._warm, options=options
        )

    def start(self) -> None:
        """Begin to follow the alias and to look after the engines."""
        self._spawn(self._follow())
        self._spawn(self._watch())
        self.rollouts.start()

    @property
    def named(self) -> tuple[Worker, ...]:
        """The workers that a request may ask for by their release: the serving one, and those of a rollout."""
        return (*([] if self.serving is None else [self.serving]), *self.rollouts.workers)

    def lease(self, model: str, *, tenant: str, who: str | None) -> Lease:
        """The worker for a request, held; the caller gives it back.

        Args:
            model: the alias, or the id of a release.
            tenant: whose request it is.
            who: the same word for the same caller, who sees the same release throughout a rollout; None: nobody who
                takes part in one.

        Raises:
            EngineError: nothing is served yet.
            UsageError: another model than those served.
        """
        control = self._control()
        if model == self._options.alias:
            return self.rollouts.lease(control, tenant=tenant, who=who, spare=self._spare)
        worker = next((one for one in self.named if one.identity == model), None)
        if worker is None:
            raise UsageError("serve.unknown_model", model=model, alias=self._options.alias, release=control.identity)
        worker.lease()
        return Lease(worker=worker)

    async def follow(self, version: int) -> None:
        """Wait until the alias's move number `version`, or a later one, is in effect."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.alias is not None and self.alias.version >= version)

    async def close(self) -> None:
        """Stop following, and stop every engine."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.rollouts.close()
        for worker in (self.serving, self.previous):
            if worker is not None:
                await worker.close()
        self.serving = self.previous = None

    async def _follow(self) -> None:
        while True:
            error = await outcome(self._look())
            self.problem = None if error is None else words(error)
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
                self._spawn(retire(before))
        self._logger.info("%s -> %s (version %d)", alias.name, alias.target, alias.version)
        async with self._changed:
            self._changed.notify_all()

    def _control(self) -> Worker:
        if self.serving is None:
            raise EngineError("serve.nothing_served", alias=self._options.alias)
        return self.serving

    def _spare(self) -> Worker:
        control = self._control()
        control.lease()
        return control

    async def _worker(self, identity: str) -> Worker:
        """A worker for the release that has just given a token: a warm one, or a new one."""
        if self.serving is not None and self.serving.identity == identity:
            return self.serving
        if self.previous is not None and self.previous.identity != identity:
            kept, self.previous = self.previous, None
            self._spawn(retire(kept))
        candidate = self.rollouts.take(identity)
        return await self._warm(identity) if candidate is None else await self._checked(candidate)

    async def _warm(self, identity: str) -> Worker:
        """The release before, where it is kept and asked for; else a new worker."""
        kept = self.previous
        if kept is not None and kept.identity == identity:
            self.previous = None
            return await self._checked(kept)
        return await Worker.start(identity, store=self._store, opener=self._opener, options=self._options)

    async def _checked(self, worker: Worker) -> Worker:
        try:
            await worker.check()
            await worker.probe()
        except BaseException:
            self._spawn(retire(worker))
            raise
        return worker

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._options.check_s)
            for worker in (self.serving, self.previous):
                # Each on its own: one that hangs, or takes long to load, keeps no other from being looked at.
                if worker is not None and worker not in self._looked_at:
                    self._looked_at.add(worker)
                    self._spawn(self._look_at(worker))

    async def _look_at(self, worker: Worker) -> None:
        try:
            error = await outcome(worker.check())
        finally:
            self._looked_at.discard(worker)
        if error is not None:
            self._logger.error("an engine could not be replaced", exc_info=error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
