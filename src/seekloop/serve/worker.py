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
from seekloop.runtime.endpoint.served import FORM
from seekloop.runtime.generate.backend import Ability, Chance, Prompt, Token
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.grammar import Grammars
from seekloop.runtime.generate.guided import guided
from seekloop.runtime.generate.sandbox import Contained, Containment
from seekloop.serve.options import GatewayOptions
from seekloop.serve.queueing.rates import Reading
from seekloop.serve.upstream.asking import Asked
from seekloop.serve.upstream.engine import Upstream
from seekloop.serve.upstream.reading import Heard
from seekloop.system import digests
from seekloop.system.errors import EngineError

__all__ = ["Opener", "Worker"]

_for_the_caller = frozenset(
    {"runtime.no_likelihoods", "runtime.no_weights", "upstream.busy", "grammar.cannot", "grammar.lost"}
)
"""What the caller can mend; whatever else goes wrong in an engine is told without its words."""
Opener = Callable[[Checkpoint], Awaitable[AsyncBackend]]
"""Starts an engine that holds one checkpoint."""
_read_at_once = 256
"""Most tokens that an engine reads between two signs of life."""
_warm_up_words, _warm_up_s, _scoring_s, _again_s = 32, 60.0, 30.0, 1.0


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
        self.identity = release.id
        """The release's id, which takes longer to work out than a request should wait."""
        self.checkpoint = checkpoint
        self.codec = codec
        self.in_use = 0
        """Requests that hold this worker now."""
        self.reading = Reading()
        """How fast its engine reads prompts."""
        self._grammars = Grammars(codec)
        self._opener = opener
        self._options = options
        self._logger = logging.getLogger("seekloop.serve")
        self._backend: AsyncBackend | None = None
        self._changing = asyncio.Lock()
        self._restart: asyncio.Task[None] | None = None
        self._unused = asyncio.Event()
        self._unused.set()
        self._heard = 0.0
        self._running = self._scored = 0
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
    def containment(self) -> Containment | None:
        """How far its engine is shut in; None: it has no process of its own, or nobody asked."""
        return self._backend.containment if isinstance(self._backend, Contained) else None

    @property
    def alive(self) -> bool:
        """Whether its engine runs."""
        return self._backend is not None and self._backend.alive()

    @property
    def takes_text(self) -> bool:
        """Whether it is asked with messages and answers with text (`relay`); else with ids (`stream`)."""
        return self.checkpoint.form == FORM

    def need(self, ability: Ability) -> None:
        """Make sure that its engine has an ability.

        Raises:
            EngineError: it has not.
        """
        if self._backend is not None and ability not in self._backend.abilities:
            raise EngineError("grammar.cannot", engine=self._backend.name, ability=ability)

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
        with self._asked() as backend, self.reading.of(len(prompt.ids), now=_now()) as read:
            async with contextlib.aclosing(await self._tokens(backend, prompt)) as tokens:
                async for token in tokens:
                    self._heard = _now()
                    read.done(self._heard)
                    yield token
                    if token.finish_reason is not None:
                        return
        raise EngineError("serve.engine_stopped", release=digests.short(self.release.id))

    async def relay(self, asked: Asked) -> AsyncGenerator[Heard, None]:
        """What an upstream says. Closing the iterator hangs up.

        Raises:
            EngineError: it cannot be reached, is busy, or broke off.
            UsageError: it refuses this request.
        """
        with self._asked() as backend:
            if not isinstance(backend, Upstream):
                raise EngineError("runtime.no_weights", id=digests.short(self.checkpoint.id))
            async with contextlib.aclosing(backend.relay(asked)) as pieces:
                async for piece in pieces:
                    self._heard = _now()
                    yield piece

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first, with the `top` likeliest.

        Raises:
            EngineError: the engine died, or tells no log-probabilities.
        """
        with self._asked() as backend:
            self._scored += len(ids)
            try:
                return await backend.read(ids, top=top)
            finally:
                self._scored -= len(ids)

    async def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """The mean of what the last layer makes of each id of a text, [width].

        Raises:
            EngineError: the engine died, or gives no embeddings.
        """
        with self._asked() as backend:
            return await backend.embed(ids)

    async def _tokens(self, backend: AsyncBackend, prompt: Prompt) -> AsyncGenerator[Token, None]:
        if prompt.grammar is None:
            return backend.stream(prompt)
        return guided(backend, prompt, guide=await asyncio.to_thread(self._grammars.guide, prompt.grammar))

    @contextlib.contextmanager
    def _asked(self) -> Iterator[AsyncBackend]:
        """The engine, its failures told without its words: they may hold paths, or another caller's text."""
        backend = self._backend
        if backend is None or not backend.alive():
            raise EngineError("serve.engine_down", release=digests.short(self.release.id))
        # To be asked is no sign of life: an engine that hangs would never be found while requests come.
        self._running += 1
        try:
            yield backend
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled the request: the engine was closed under it, and its pending work with it.
            raise EngineError("serve.engine_stopped", release=digests.short(self.release.id)) from error
        except EngineError as error:
            if error.code in _for_the_caller:
                raise
            self._logger.warning("the engine of %s: %s", self.release.id, error.sentence("en"))
            raise EngineError("serve.engine_stopped", release=digests.short(self.release.id)) from error
        finally:
            self._running -= 1

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
        if self.alive and _now() - self._heard > self._quiet_s:
            with contextlib.suppress(EngineError):  # it is dropped then, which is seen next
                await self.probe()
        if not self.alive:
            self._logger.warning("the engine of %s is gone; starting a new one", self.release.id)
            await self.revive()

    async def probe(self) -> None:
        """Ask the engine for a sign of life; where none comes within `probe_s`, it is dropped.

        Where it has nothing to do, the sign is a token. Else it is any token that it gives to anybody, or its word
        between two steps; then it has at least twice the time that the step takes which it may be in.

        Raises:
            EngineError: none came.
        """
        if self._backend is None:
            raise EngineError("serve.engine_down", release=digests.short(self.release.id))
        if not await self._shows(self._backend, limits=(self._silence_s(), _again_s)):
            await self._drop()
            raise EngineError("serve.engine_silent", release=digests.short(self.release.id))

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
            self._backend = await self._warmed(await self._opener(self.checkpoint))
            self._failed = float("-inf")

    async def _warmed(self, backend: AsyncBackend) -> AsyncBackend:
        """The engine once it has given a token: before that it serves nobody."""
        shown = False
        try:
            shown = await self._shows(backend, limits=(_warm_up_s,), ids=self._warm_up_ids())
        finally:
            if not shown:
                await backend.close()
        if not shown:
            raise EngineError("serve.engine_silent", release=digests.short(self.release.id))
        return backend

    @property
    def _quiet_s(self) -> float:
        """How long it may say nothing before it is asked."""
        return self._options.upstream.probe_s if self.takes_text else self._options.probe_s

    def _silence_s(self) -> float:
        """How long it may be busy without a sign: texts are scored in one step, prompts read in several."""
        tokens = min(self.reading.tokens, _read_at_once) + self._scored
        step_s = tokens / (self.reading.per_s or _read_at_once)
        return max(self._quiet_s, 2 * step_s, _scoring_s if self._scored else 0.0)

    async def _shows(self, backend: AsyncBackend, *, limits: Sequence[float], ids: Sequence[int] = ()) -> bool:
        """Whether the engine gives a sign of life within one of `limits`, tried one after the other.

        The second try is for the case that not the engine was held up, but this process: its word has come by then.
        """
        before = self._heard
        for limit in limits:
            with contextlib.suppress(TimeoutError, EngineError):
                async with asyncio.timeout(limit):
                    await self._sign(backend, ids)
                self._heard = _now()
            if self._heard > before:
                return True
        return False

    async def _sign(self, backend: AsyncBackend, ids: Sequence[int]) -> None:
        """Have the engine say that it steps, and give a token where it has nothing else to do.

        `ids` are a prompt that is timed; none: a prompt of one id, which would tell nothing.
        """
        await backend.probe()
        if self.takes_text or (self._running and not ids):
            return
        prompt = Prompt(ids=tuple(ids) or self._warm_up_ids()[:1], stop_ids=frozenset(), max_tokens=1)
        begun = _now()
        async with contextlib.aclosing(backend.stream(prompt)) as tokens:
            async for _ in tokens:
                if ids:
                    self.reading.observe(len(ids), _now() - begun)
                return
        raise EngineError("serve.engine_silent", release=digests.short(self.release.id))

    def _warm_up_ids(self) -> tuple[int, ...]:
        """A text long enough to tell how fast prompts are read, and short enough to cost nothing."""
        text = " ".join(map(str, range(_warm_up_words)))
        return self.codec.raw_ids(text)[: min(_warm_up_words, self._options.context // 2)]

    async def _drop(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
