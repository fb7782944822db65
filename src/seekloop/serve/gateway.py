"""The gateway: takes requests in, answers them with the serving release, and keeps a row of each."""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import Callable, Sequence

from seekloop.artifact.kinds import Release
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.admission import Admission
from seekloop.serve.caller import Caller
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.pool import Pool
from seekloop.serve.protocol import ChatRequest, CompletionRequest, Sampling
from seekloop.serve.recorder import Recorder
from seekloop.serve.reply import Order, Reply
from seekloop.serve.worker import Opener, Worker
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import UsageError

__all__ = ["Gateway"]

_cancelling_s, _look_s = 5.0, 0.01


class Gateway:
    """One gateway process. Make, `start` and `close` it on the event loop that it serves from.

    Args:
        store: where releases and checkpoints are.
        ledger: whose alias is followed, and where answers are recorded.
        keyring: who may call.
        opener: starts engines.
        options: limits and waits.
        clock: dates and times answers.
    """

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        keyring: Keyring,
        opener: Opener,
        options: GatewayOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.keyring = keyring
        self.options = options or GatewayOptions()
        self.clock: Clock = clock or SystemClock()
        self.pool = Pool(store=store, ledger=ledger, opener=opener, options=self.options)
        self.recorder = Recorder(ledger, window_s=self.options.commit_window_ms / 1000)
        self.admission = Admission(
            streams=self.options.streams, max_queue=self.options.max_queue, timeout_s=self.options.queue_timeout_s
        )
        self._replies: set[Reply] = set()

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now."""
        serving = self.pool.serving
        return serving is not None and serving.alive and not self.admission.closed and not self.recorder.failing

    async def start(self) -> None:
        """Begin to record, and to follow the alias."""
        self.recorder.start()
        self.pool.start()

    async def drain(self) -> None:
        """Refuse new requests, let those in flight finish for `drain_s`, then cancel the rest."""
        self.admission.close()
        if not await self._quiet(self.options.drain_s):
            await self._cancel_all()

    async def close(self) -> None:
        """Cancel what is still in flight, record what there is, stop the engines."""
        self.admission.close()
        await self._cancel_all()
        await self.recorder.close()
        await self.pool.close()

    async def ask(self, request: ChatRequest, *, caller: Caller) -> Reply:
        """Accept a conversation: from here on it ends as a row in the ledger.

        Raises:
            UsageError: another model than the one served, or a prompt that is too long.
            EngineError: nothing is served, the queue is full, or the gateway is closing.
            ModelError: the conversation needs what the model's family does not have.
        """
        return await self._accept(functools.partial(self._order, request, caller=caller))

    async def complete(self, request: CompletionRequest, prompt: str | Sequence[int], *, caller: Caller) -> Reply:
        """Accept one raw prompt of a request: from here on it ends as a row in the ledger.

        Raises:
            UsageError: another model than the one served, a prompt that is too long, or ids that the model has not.
            EngineError: nothing is served, the queue is full, or the gateway is closing.
        """
        return await self._accept(functools.partial(self._raw_order, request, prompt=prompt, caller=caller))

    async def _accept(self, order: Callable[..., Order]) -> Reply:
        """From a request to its reply: who answers, what is asked, whether there is room."""
        asked_at = self.clock.monotonic()
        worker = self.pool.lease()
        entered = False
        try:
            made = order(worker=worker, asked_at=asked_at)
            await self.admission.enter()
            entered = True
            reply = Reply(made, worker=worker, recorder=self.recorder, clock=self.clock, on_free=self.admission.leave)
        except BaseException:
            if entered:
                self.admission.leave()
            worker.give_back()
            raise
        self._replies.add(reply)
        reply.when_ended(self._replies.discard)
        return reply

    def _order(self, request: ChatRequest, *, worker: Worker, caller: Caller, asked_at: float) -> Order:
        release = worker.release
        self._check_model(request.model, release)
        messages = sent = [message.as_message() for message in request.messages]
        if release.system and all(message.role != "system" for message in messages):
            messages = [Message(role="system", content=release.system), *messages]
        ids = worker.codec.prompt_ids(messages, tools=request.offered_tools)
        return Order(
            caller=caller,
            messages=[{"content": "", **message.model_dump(mode="json", exclude_defaults=True)} for message in sent],
            prompt=self._prompt(request, ids, worker=worker, limit=request.token_limit, top=request.top),
            stops=request.stops,
            stream=bool(request.stream),
            asked_at=asked_at,
        )

    def _raw_order(
        self,
        request: CompletionRequest,
        *,
        prompt: str | Sequence[int],
        worker: Worker,
        caller: Caller,
        asked_at: float,
    ) -> Order:
        self._check_model(request.model, worker.release)
        codec = worker.codec
        ids = codec.raw_ids(prompt) if isinstance(prompt, str) else tuple(prompt)
        if unknown := [id_ for id_ in ids if id_ >= codec.vocab_size]:
            raise UsageError("serve.unknown_id", id=unknown[0], size=codec.vocab_size)
        reads = request.echo and request.logprobs is not None
        return Order(
            caller=caller,
            messages=[{"role": "user", "content": prompt if isinstance(prompt, str) else codec.decode(ids)}],
            prompt=self._prompt(request, ids, worker=worker, limit=request.max_tokens, top=request.logprobs),
            stops=request.stops,
            stream=bool(request.stream),
            raw=True,
            reads=reads,
            asked_at=asked_at,
        )

    def _check_model(self, model: str, release: Release) -> None:
        if model not in (self.options.alias, release.id):
            raise UsageError("serve.unknown_model", model=model, alias=self.options.alias, release=release.id)

    def _prompt(
        self,
        request: Sampling,
        ids: tuple[int, ...],
        *,
        worker: Worker,
        limit: int | None,
        top: int | None,
    ) -> Prompt:
        room = self.options.context - len(ids)
        if room < (0 if limit == 0 else 1):
            raise UsageError("serve.context_overflow", tokens=len(ids), context=self.options.context)
        decoding = worker.release.decoding
        temperature = decoding.temperature if request.temperature is None else request.temperature
        seed = secrets.randbits(31) if request.seed is None and temperature else request.seed or 0
        return Prompt(
            ids=ids,
            stop_ids=worker.codec.stop_ids,
            max_tokens=min(decoding.max_tokens if limit is None else limit, self.options.max_tokens, room),
            temperature=temperature,
            top_p=decoding.top_p if request.top_p is None else request.top_p,
            seed=seed & 0x7FFF_FFFF,
            top=top,
        )

    async def _cancel_all(self) -> None:
        for reply in self._replies:
            reply.cancel()
        await self._quiet(_cancelling_s)

    async def _quiet(self, seconds: float) -> bool:
        """Wait until nothing is in flight or in the queue, at most so long; whether that came about."""
        deadline = self.clock.monotonic() + seconds
        while self._replies or self.admission.waiting:
            if self.clock.monotonic() > deadline:
                return False
            await asyncio.sleep(_look_s)
        return True
