"""The gateway: takes requests in, answers them with the serving release, and keeps a row of each."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
from collections.abc import Callable, Sequence

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.serve.access.budgets import Budgets
from seekloop.serve.cache.answers import Asked, ResponseCache
from seekloop.serve.cache.look import Look
from seekloop.serve.caller import Caller
from seekloop.serve.guard.guard import Guard
from seekloop.serve.guarded import guarded
from seekloop.serve.keys import Keyring
from seekloop.serve.manner import PLAIN, Manner
from seekloop.serve.options import GatewayOptions
from seekloop.serve.orders import Orders
from seekloop.serve.pool import Pool
from seekloop.serve.protocol import ChatRequest, CompletionRequest, EmbeddingRequest, Sampling
from seekloop.serve.queueing.admission import Admission
from seekloop.serve.queueing.turn import Turn
from seekloop.serve.recorder import Recorder
from seekloop.serve.reply import Order, Reply
from seekloop.serve.rollout.lease import Lease
from seekloop.serve.safety.screen import Screen
from seekloop.serve.shadows import Shadows
from seekloop.serve.telemetry.meters import Meters
from seekloop.serve.telemetry.spans import Spans, open_spans
from seekloop.serve.worker import Opener, Worker
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import EngineError, SeekloopError

__all__ = ["Gateway"]

_cancelling_s, _look_s = 5.0, 0.01
_first_release_s = 10.0


class Gateway:
    """One gateway process. Make, `start` and `close` it on the event loop that it serves from.

    Args:
        store: where releases and checkpoints are.
        ledger: whose alias is followed, and where answers are recorded.
        keyring: who may call.
        opener: starts engines.
        options: limits and waits.
        clock: dates and times answers.
        spans: tell of requests; None: as the options say.
        secret: of the guard, the same for all gateways of a project; None: one that nobody else knows.
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
        spans: Spans | None = None,
        secret: bytes | None = None,
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.keyring = keyring
        self.options = options or GatewayOptions()
        self.clock: Clock = clock or SystemClock()
        self.pool = Pool(store=store, ledger=ledger, opener=opener, options=self.options)
        self.recorder = Recorder(ledger, window_s=self.options.commit_window_ms / 1000)
        self.admission = Admission(streams=self.options.streams, options=self.options.queue, clock=self.clock)
        self.budgets = Budgets(ledger.usage, options=self.options.access, clock=self.clock)
        self.cache = ResponseCache(self.options.cache, ledger=ledger, current=self._releases, clock=self.clock)
        self.meters = Meters()
        self.spans = spans or open_spans(self.options.telemetry)
        self.shadows = Shadows(ledger, clock=self.clock, idle=lambda: not self.admission.waiting)
        self.screen = Screen.open(self.options.safety, store=store)
        """What looks at questions and answers; None: nothing does."""
        self._orders = Orders(screen=self.screen, options=self.options)
        self.guard = Guard(
            self.options.guard, secret=secret or secrets.token_bytes(32), ledger=ledger, clock=self.clock
        )
        self._replies: set[Reply] = set()
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now."""
        serving = self.pool.serving
        open_ = not self._draining and not self.admission.closed
        return serving is not None and serving.alive and open_ and not self.recorder.failing

    @property
    def running(self) -> int:
        """Requests that an engine works on."""
        return sum(reply.look.kept is None for reply in self._replies)

    async def start(self) -> None:
        """Begin to record, and to follow the alias and the keys."""
        await self.keyring.start()
        self.budgets.start()
        self.recorder.start()
        self.cache.start()
        await self.guard.start()
        self.pool.start()
        self.shadows.start()
        if self.options.upstream.processes > 1:
            # Connections wait in the socket until this process can answer, instead of being told that others can.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_first_release_s):
                    await self.pool.follow(0)

    async def drain(self) -> None:
        """Let requests in flight and in the queue finish for `drain_s`, then refuse and cancel the rest.

        What a client sent before it could know still comes in meanwhile: it is the listener that lets nobody new in.
        """
        self._draining = True
        quiet = await self._quiet(self.options.drain_s)
        self.admission.close()
        if not quiet:
            await self._cancel_all()

    async def close(self) -> None:
        """Cancel what is still in flight, record what there is, stop the engines."""
        self.admission.close()
        await self._cancel_all()
        await self.shadows.close()
        await self.guard.close()
        await self.recorder.close()
        await self.budgets.close()
        await self.keyring.close()
        await self.cache.close()
        await self.pool.close()
        if self.spans is not None:
            await asyncio.to_thread(self.spans.close)
        if self.screen is not None:
            self.screen.close()

    async def ask(self, request: ChatRequest, *, caller: Caller, manner: Manner = PLAIN) -> Reply:
        """Accept a conversation: from here on it ends as a row in the ledger.

        Args:
            request: the body.
            caller: who asks.
            manner: what the request says beside its body.

        Raises:
            UsageError: another model than the one served, a prompt that is too long, or a limit of the caller's key.
            EngineError: nothing is served, the queue is full, or the gateway is closing.
            ModelError: the conversation needs what the model's family does not have.
        """
        order = functools.partial(self._orders.chat, request, caller=caller, manner=manner)
        who = self._who(request, caller=caller, manner=manner)
        lease = self.pool.lease(request.model, tenant=caller.tenant, who=who)
        return manner.answered_by(await self._accept(order, lease=lease, manner=manner), model=request.model)

    async def complete(
        self, request: CompletionRequest, prompt: str | Sequence[int], *, caller: Caller, manner: Manner = PLAIN
    ) -> Reply:
        """Accept one raw prompt of a request: from here on it ends as a row in the ledger.

        Args:
            request: the body.
            prompt: text or ids.
            caller: who asks.
            manner: what the request says beside its body.

        Raises:
            UsageError: another model than the one served, a prompt that is too long, ids that the model has not, or
                a limit of the caller's key.
            EngineError: nothing is served, the queue is full, or the gateway is closing.
        """
        order = functools.partial(self._orders.raw, request, prompt=prompt, caller=caller, manner=manner)
        # The answers of one request have one label, so that several are not drawn for a rollout.
        who = self._who(request, caller=caller, manner=manner) if len(request.prompts) == 1 else None
        lease = self.pool.lease(request.model, tenant=caller.tenant, who=who)
        return manner.answered_by(await self._accept(order, lease=lease, manner=manner), model=request.model)

    async def embed(
        self, request: EmbeddingRequest, text: str | Sequence[int], *, caller: Caller, manner: Manner = PLAIN
    ) -> Reply:
        """Accept one text of a request for embeddings: from here on it ends as a row in the ledger.

        Raises:
            UsageError: another model than the one served, a text that is too long, or ids that the model has not.
            EngineError: the engine gives no embeddings, nothing is served, the queue is full, or it is closing.
        """
        order = functools.partial(self._orders.embedding, request, text=text, caller=caller)
        who = self._who(request, caller=caller, manner=manner) if len(request.texts) == 1 else None
        lease = self.pool.lease(request.model, tenant=caller.tenant, who=who)
        return manner.answered_by(await self._accept(order, lease=lease, manner=manner), model=request.model)

    def _who(self, request: Sampling | EmbeddingRequest, *, caller: Caller, manner: Manner) -> str:
        """The same word for the same caller, or for whom it asks."""
        return manner.session or request.user or caller.name

    async def _accept(self, order: Callable[..., Order], *, lease: Lease, manner: Manner) -> Reply:
        """From a request to its reply: what is asked of whoever was picked, paid for, known already, and room."""
        again = functools.partial(order, asked_at=self.clock.monotonic())
        with contextlib.ExitStack() as undo:
            undo.callback(lambda: lease.worker.give_back())
            made = _made(again, lease)
            charge = await self.budgets.reserve(
                made.caller, prompt_tokens=len(made.prompt.ids), completion_tokens=made.prompt.max_tokens
            )
            undo.callback(charge.settle)
            made = guarded(made, guard=self.guard, worker=lease.worker, role=str(made.caller.role))
            await self._screened(made, lease=lease)
            look = await self.cache.look(_asked(made, worker=lease.worker, manner=manner))
            undo.callback(look.over, None)
            turn = await self._room(made, worker=lease.worker, look=look, manner=manner)
            leave = _nothing if turn is None else turn.leave
            undo.callback(leave)
            reply = Reply(
                made,
                lease=lease,
                again=again,
                recorder=self.recorder,
                clock=self.clock,
                on_free=leave,
                look=look,
                turn=turn,
            )
            undo.pop_all()
        self._track(reply)
        reply.when_ended(
            lambda ended: charge.settle(
                ended.prompt_tokens, ended.completion_tokens, cached_tokens=ended.cached_tokens or 0
            )
        )
        reply.when_ended(lambda ended: self.guard.heard(ended.caller, ended.content))
        if lease.shadow is not None and not made.embeds:
            reply.when_ended(functools.partial(self.shadows.offer, by=lease.shadow, order=order))
        return reply

    def _track(self, reply: Reply) -> None:
        self._replies.add(reply)
        reply.when_ended(self._replies.discard)
        reply.when_ended(self.meters.answered)

    async def _screened(self, order: Order, *, lease: Lease) -> None:
        """Look at what is asked; what is not answered is recorded.

        Raises:
            UsageError: it is not answered; the row of it is named.
            LedgerError: it could not be recorded.
        """
        screening = order.screening
        if self.screen is None or screening is None:
            return
        await self.screen.judged(screening)
        if screening.blocked is None:
            return
        lease.worker.lease()  # for the reply, which gives it back
        reply = Reply(order, lease=lease, recorder=self.recorder, clock=self.clock, on_free=_nothing)
        self._track(reply)
        await reply.whole()
        raise screening.refusal(reply.id)

    async def _room(self, order: Order, *, worker: Worker, look: Look, manner: Manner) -> Turn | None:
        """Wait until the engine has room. What is only repeated needs none."""
        if look.kept is not None:
            if self.admission.closed:
                raise EngineError("serve.closing")
            return None
        ticket = await self.admission.enter(
            tier=order.caller.tier,
            tokens=len(order.prompt.ids),
            read_per_s=worker.reading.per_s,
            patience_s=manner.patience_s,
        )
        return Turn(self.admission, ticket)

    def _releases(self) -> set[str]:
        """Ids of what is served now."""
        return {worker.identity for worker in self.pool.named}

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


def _asked(order: Order, *, worker: Worker, manner: Manner) -> Asked:
    return Asked(
        order=order,
        tenant=order.caller.tenant,
        release=worker.identity,
        messages=() if order.raw or order.prompt.top is not None else order.messages,
        tools=order.tools,
        # What is put back into an answer is this caller's alone.
        repeatable=order.repeatable and not (order.screening and order.screening.values),
        use=manner.cache,
        also=_held_to(order),
        tier=order.caller.tier,
    )


def _held_to(order: Order) -> tuple[str, ...]:
    """What an answer passed on its way out."""
    rules = () if order.screening is None else order.screening.screen.rules
    return (*rules, "exact" if order.blur is None else "blurred")


def _nothing() -> None:
    """A request that was answered before, or is refused, has no engine to give back."""


def _made(order: Callable[..., Order], lease: Lease) -> Order:
    """The order for whoever was picked; where a candidate cannot take it, for the one in production."""
    try:
        return order(worker=lease.worker)
    except SeekloopError as error:
        if lease.spare is None:
            raise
        lease.fall_back(error.code)
        return order(worker=lease.worker)
