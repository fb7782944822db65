"""One release with its engine: opened, warmed, watched, replaced when it dies, and counted while it is in use.

An engine holds exactly one checkpoint for as long as it lives, so whatever it says was said by that checkpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from typing import Self

from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Chance, Prompt, Token
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.serve.options import GatewayOptions
from seekloop.system import digests
from seekloop.system.errors import EngineError

__all__ = ["Opener", "Worker"]

Opener = Callable[[Checkpoint], Awaitable[AsyncBackend]]
"""Starts an engine that holds one checkpoint."""


class Worker:
    """Generates with one release. Made by `start`.

    Args:
        release: what it serves.
        checkpoint: the release's checkpoint.
        codec: the checkpoint's codec.
        opener: starts its engine, now and whenever it has to be replaced.
        options: waits and limits.
    """

    def __init__(
        self, release: Release, checkpoint: Checkpoint, *, codec: Codec, opener: Opener, options: GatewayOptions
    ) -> None:
        self.release = release
        self.checkpoint = checkpoint
        self.codec = codec
        self.in_use = 0
        """Requests that hold this worker now."""
        self._opener = opener
        self._options = options
        self._logger = logging.getLogger("seekloop.serve")
        self._backend: AsyncBackend | None = None
        self._changing = asyncio.Lock()
        self._restart: asyncio.Task[None] | None = None
        self._unused = asyncio.Event()
        self._unused.set()
        self._heard = 0.0
        self._failed = float("-inf")

    @classmethod
    async def start(cls, identity: str, *, store: Store, opener: Opener, options: GatewayOptions) -> Self:
        """Open a release, check every byte of its checkpoint, start its engine and have it give a token.

        Raises:
            ArtifactError: the release or its checkpoint is missing or was changed.
            EngineError: the engine does not start or answer.
        """
        release = await asyncio.to_thread(store.open, identity, Release)
        checkpoint = await asyncio.to_thread(store.open, release.checkpoint, Checkpoint)
        for weights in (checkpoint.id, checkpoint.parents.get("base") if checkpoint.form == "adapter" else None):
            if weights is not None:
                await asyncio.to_thread(store.verify, weights)
        codec = await asyncio.to_thread(Codec.open, store.folder(checkpoint.id))
        worker = cls(release, checkpoint, codec=codec, opener=opener, options=options)
        try:
            await worker.revive()
        except BaseException:
            await worker.close()
            raise
        return worker

    @property
    def engine(self) -> str | None:
        """Backend and version; None while there is none."""
        return self._backend.name if self._backend else None

    @property
    def alive(self) -> bool:
        """Whether its engine runs."""
        return self._backend is not None and self._backend.alive()

    def lease(self) -> None:
        """Hold the worker for a request; it is not closed before `give_back`."""
        self.in_use += 1
        self._unused.clear()

    def give_back(self) -> None:
        """End a lease."""
        self.in_use -= 1
        if not self.in_use:
            self._unused.set()

    async def unused(self) -> None:
        """Wait until nobody holds the worker."""
        await self._unused.wait()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        """The engine's tokens for one prompt. Closing the iterator cancels the rest.

        Raises:
            EngineError: the engine died, or stopped before the answer was complete.
        """
        with self._asked() as backend:
            async with contextlib.aclosing(backend.stream(prompt)) as tokens:
                async for token in tokens:
                    self._heard = _now()
                    yield token
                    if token.finish_reason is not None:
                        return
        raise EngineError("serve.engine_stopped", release=digests.short(self.release.id))

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first, with the `top` likeliest.

        Raises:
            EngineError: the engine died, or tells no log-probabilities.
        """
        with self._asked() as backend:
            return await backend.read(ids, top=top)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[AsyncBackend]:
        """The engine, its failures told without its words: they may hold paths, or another caller's text."""
        backend = self._backend
        if backend is None or not backend.alive():
            raise EngineError("serve.engine_down", release=digests.short(self.release.id))
        self._heard = _now()
        try:
            yield backend
        except EngineError as error:
            if error.code == "runtime.no_likelihoods":
                raise
            self._logger.warning("the engine of %s: %s", self.release.id, error.sentence("en"))
            raise EngineError("serve.engine_stopped", release=digests.short(self.release.id)) from error

    async def revive(self) -> None:
        """Make sure that the engine runs and gives a sign of life, starting a new one where it does not.

        Raises:
            EngineError: it cannot be started, or could not a moment ago.
        """
        # One start for all who wait; whoever of them gives up must not leave an engine behind that nobody knows.
        if self._restart is None or self._restart.done():
            self._restart = asyncio.create_task(self._start())
        await asyncio.shield(self._restart)

    async def check(self) -> None:
        """Look after the engine: replace it where it died, or gave no sign of life for `probe_s` and then to a probe.

        Raises:
            EngineError: a new one cannot be started.
        """
        if self.alive and _now() - self._heard > self._options.probe_s:
            with contextlib.suppress(EngineError):  # it is dropped then, which is seen next
                await self.probe()
        if not self.alive:
            self._logger.warning("the engine of %s is gone; starting a new one", self.release.id)
            await self.revive()

    async def probe(self) -> None:
        """Ask the engine for a sign of life; where none comes within `probe_s`, it is dropped.

        Raises:
            EngineError: none came.
        """
        if self._backend is None:
            raise EngineError("serve.engine_down", release=digests.short(self.release.id))
        await self._probe(self._backend)

    async def close(self) -> None:
        """Stop the engine."""
        async with self._changing:
            await self._drop()

    async def _start(self) -> None:
        async with self._changing:
            if self.alive:
                return
            if _now() - self._failed < self._options.retry_s:
                raise EngineError("serve.engine_down", release=digests.short(self.release.id))
            self._failed = _now()
            await self._drop()
            self._backend = await self._opener(self.checkpoint)
            await self._probe(self._backend)
            self._failed = float("-inf")

    async def _probe(self, backend: AsyncBackend) -> None:
        try:
            async with asyncio.timeout(self._options.probe_s):
                await backend.probe()
        except (EngineError, TimeoutError) as error:
            await self._drop()
            raise EngineError("serve.engine_silent", release=digests.short(self.release.id)) from error
        self._heard = _now()

    async def _drop(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
