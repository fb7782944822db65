"""One accepted request on its way to a recorded answer.

A reply runs in a task of its own, so that neither a client that leaves nor a release that is replaced can keep it from
being recorded: every accepted request ends as one row in the ledger, finished, failed or cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seekloop.artifact.ledger import Answer
from seekloop.artifact.payloads import subject_name
from seekloop.model.codec import Delta
from seekloop.runtime.generate.backend import Chance, Prompt
from seekloop.serve.cache.kept import FINISHED, Kept
from seekloop.serve.cache.look import Look
from seekloop.serve.caller import Caller
from seekloop.serve.queueing.turn import Turn
from seekloop.serve.rollout.lease import Lease
from seekloop.serve.safety.guard import Guard
from seekloop.serve.safety.screen import Screening
from seekloop.serve.stops import StopWatch
from seekloop.serve.told import Told
from seekloop.serve.upstream.asking import Asked
from seekloop.serve.upstream.relay import Relayed
from seekloop.system import digests
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError
from seekloop.system.random_ids import RandomIds

__all__ = ["Keeps", "Order", "Reply"]

_logger = logging.getLogger("seekloop.serve")
_ids = RandomIds(32)


class Keeps(Protocol):
    """Makes answers durable."""

    failing: bool
    """The newest ones could not be written."""

    def record(self, answer: Answer) -> Awaitable[None]:
        """Queue an answer now; what is given back is done once it is durable."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was asked, ready for the engine."""

    caller: Caller
    messages: Sequence[Mapping[str, Any]]
    """As the caller sent them."""
    prompt: Prompt
    stops: tuple[str, ...]
    user: str | None = None
    """For whom the caller asks, if it said so: their texts can be erased apart from others'."""
    session: str | None = None
    """Of which session the caller said that it is."""
    consent: bool | None = None
    """Whether the caller allows that the answer is learnt from; None: it did not say."""
    stream: bool
    """Whether text is wanted as it comes."""
    raw: bool = False
    """The prompt is text, not a conversation, and so is the answer."""
    reads: bool = False
    """Whether the log-probabilities of the prompt are wanted too, `prompt.top` likeliest ids with each."""
    upstream: Asked | None = None
    """What is sent to an upstream instead of the prompt's ids."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """What the model was told that it may call."""
    repeatable: bool = False
    """Whether the engine would say the same again: greedy, or from a seed that the caller gave."""
    embeds: bool = False
    """What is wanted is the prompt's embedding, and no text."""
    screening: Screening | None = None
    """What the safety screen found in it; None: nothing is screened."""
    blur: Callable[[int, Chance], Chance] | None = None
    """What is told of a log-probability; None: all."""
    planted: str = ""
    """What is added to the answer."""
    asked_at: float
    """When the request came in, by the clock's monotonic seconds."""


class Reply:
    """The answer to one order, being made by one worker.

    Args:
        order: what was asked.
        lease: the worker, leased for this reply, which gives it back.
        recorder: makes the answer durable.
        clock: dates and times it.
        on_free: called when the engine is free again, before the answer is durable.
        look: what the cache has for it, and is told of it.
        again: makes the order for another worker, where the lease has a spare.
        turn: its hold on a stream, which a higher tier may take before anything is let out; None: it cannot be taken.
    """

    def __init__(
        self,
        order: Order,
        *,
        lease: Lease,
        recorder: Keeps,
        clock: Clock,
        on_free: Callable[[], None],
        look: Look | None = None,
        again: Callable[..., Order] | None = None,
        turn: Turn | None = None,
    ) -> None:
        worker = lease.worker
        self.id = f"ans_{_ids.next()}"
        self.release = worker.identity
        self.created = clock.now()
        self.content = ""
        self.reasoning = ""
        self.tool_calls: tuple[dict[str, Any], ...] = ()
        self.finish_reason = "error"
        """`stop`, `length`, `tool_calls`, `content_filter`, `cancelled` or `error`."""
        self.prompt_ids = order.prompt.ids
        self.codec = worker.codec
        self.prompt_chances: tuple[Chance, ...] = ()
        """Of each id of the prompt but the first, where they were asked for."""
        self.chances: list[tuple[int, Chance]] = []
        """Of each generated id, where they were asked for."""
        self.look = look or Look("off")
        self.times: list[float] = []
        """When each token came, by the clock's monotonic seconds; those of an attempt that failed before the others."""
        self.begun_at = clock.monotonic()
        """When an engine was free for it."""
        self.ended_at = self.begun_at
        """When its last token had come."""
        self.told = 0
        """Of `chances`, those of text that `deltas` has given."""
        self.vector: tuple[float, ...] = ()
        """The prompt's embedding, where that was asked for."""
        self.order = order
        self._lease = lease
        self._again = again
        self._settled = asyncio.Event()
        self._recorder = recorder
        self._clock = clock
        self._on_free = on_free
        self._turn = turn
        self._ids: list[int] = []
        self.relayed: Relayed | None = None
        """What an upstream says of its answer, where one gave it."""
        self._guard: Guard | None = None
        self._first_at: float | None = None
        self._told = Told(worker.codec)
        self._generating = self._unwanted = False
        # While the ledger refuses rows, nothing goes out before its row is durable.
        self._live = order.stream and not recorder.failing
        self._out: asyncio.Queue[tuple[Delta | None, int]] = asyncio.Queue()
        self._when_ended: list[Callable[[Reply], None]] = [_told_the_cache]
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._over)

    @property
    def caller(self) -> Caller:
        """Who asked."""
        return self.order.caller

    @property
    def asked(self) -> str:
        """The last thing that was said to the model, as the caller sent it."""
        return str(self.order.messages[-1]["content"])

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        if self.look.kept is not None:
            return self.look.kept.prompt_tokens
        return self.relayed.prompt_tokens if self.relayed else len(self.prompt_ids)

    @property
    def cached_tokens(self) -> int | None:
        """Of the prompt's, those that an upstream had read before; None: nobody tells."""
        return self.relayed.cached_tokens if self.relayed else None

    @property
    def completion_tokens(self) -> int:
        """Tokens generated, without the stop id."""
        if self.look.kept is not None:
            return self.look.kept.completion_tokens
        return self.relayed.completion_tokens if self.relayed else len(self._ids)

    async def settled(self) -> None:
        """Wait until it is certain which release answers; whoever is cancelled while waiting cancels the answer."""
        if self._lease.spare is None:
            return
        try:
            await self._settled.wait()
        except asyncio.CancelledError:
            self.cancel()
            raise

    async def deltas(self) -> AsyncIterator[Delta]:
        """The text as it comes; when the iterator ends, the answer is complete and durable.

        Raises:
            EngineError: the engine died under it.
            LedgerError: the answer could not be recorded.
        """
        while True:
            delta, self.told = await self._out.get()
            if delta is None:
                break
            yield delta
        await self.whole()

    async def whole(self) -> None:
        """Wait until the answer is complete and durable; whoever is cancelled while waiting cancels the answer.

        Raises:
            EngineError: the engine died under it.
            LedgerError: the answer could not be recorded.
        """
        try:
            await asyncio.shield(self._task)
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self.finish_reason == "cancelled":
            raise EngineError("serve.closing")

    def cancel(self) -> None:
        """Stop generating; what there is so far is recorded. Nothing happens to an answer that is complete."""
        self._unwanted = True
        # A task that has not begun would be cancelled without a trace, and its row would be missing; one that has said
        # all is only waiting for its row.
        if self._generating:
            self._task.cancel()

    def when_ended(self, callback: Callable[[Reply], None]) -> None:
        """Have `callback` called once it is over."""
        if self._task.done():
            asyncio.get_running_loop().call_soon(callback, self)
        else:
            self._when_ended.append(callback)

    async def ended(self) -> None:
        """Wait until it is over, one way or the other."""
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        self._generating = True
        try:
            self.finish_reason = "cancelled" if self._unwanted else await self._in_turn()
        except asyncio.CancelledError:
            self.finish_reason = "cancelled"
        finally:
            self._generating = False
            if self._guard is not None and self._guard.changed:
                self.chances = []  # they would tell what was kept back
                if self.relayed is not None:
                    self.relayed.logprobs = None
            self._lease.worker.give_back()
            self._on_free()
            await self._recorder.record(self._answer())
        if self.order.stream and not self._live:
            self._put(Delta(content=self.content, reasoning=self.reasoning, tool_calls=self.tool_calls))

    async def _in_turn(self) -> str:
        """The finish reason. What one pass of the engine gives is not stopped for others: nothing would be free."""
        if self._turn is None or self.order.reads or self.order.embeds:
            return await self._generate()
        return await self._turn.through(self._generate, undo=self._begin_again)

    def _begin_again(self) -> None:
        self._ids, self._first_at, self.content, self.reasoning, self.chances = [], None, "", "", []
        self._told = Told(self.codec)

    async def _generate(self) -> str:
        """The finish reason. One that died before anything was let out gets another chance, or a spare answers."""
        try:
            return await self._attempt()
        except EngineError as error:
            given_up = error.code == "upstream.busy" or not self._lease.retries
            if given_up or (self._live and (self.content or self.reasoning)):
                raise
            self._begin_again()
            if self._lease.spare is not None:
                self._fall_back(error)
                return await self._generate()
            await self._revived()
            return await self._attempt()

    def _fall_back(self, error: EngineError) -> None:
        """Have the release in production answer in the place of a candidate that failed."""
        assert self._again is not None, "a lease with a spare comes with the means to ask it"
        _logger.warning("%s: %s failed: %s", self.id, self.release, error.sentence("en"))
        self._lease.fall_back(error.code)
        worker, self.relayed = self._lease.worker, None
        # What the guard lets this caller see does not depend on who answers.
        before, again = self.order, self._again(worker=worker)
        self.order = dataclasses.replace(again, blur=before.blur, planted=before.planted)
        self.release, self.codec, self.prompt_ids = worker.identity, worker.codec, self.order.prompt.ids
        self._told = Told(self.codec)

    async def _revived(self) -> None:
        try:
            await self._lease.worker.revive()
        except EngineError as error:
            _logger.warning("%s: %s", self.id, error.sentence("en"))
            raise EngineError("serve.engine_down", release=digests.short(self.release)) from error

    def _repeat(self, kept: Kept) -> str:
        """Say again what an equal request was answered."""
        self._ids, self.chances, self.prompt_chances = list(kept.ids), list(kept.chances), kept.prompt_chances
        self.tool_calls = tuple(dict(call) for call in kept.tool_calls)
        for id_, _ in kept.chances:
            self._told.say(id_)
        for delta in (Delta(reasoning=kept.reasoning), Delta(content=kept.content), Delta(tool_calls=self.tool_calls)):
            self._let_out(delta)
        return kept.finish_reason

    def to_keep(self) -> Kept | None:
        """What equal requests may have of it: an answer that is finished, in the ledger, and was not kept before."""
        failed = self._task.cancelled() or self._task.exception() is not None
        if failed or self.look.kept is not None or self.finish_reason not in FINISHED:
            return None
        if self._lease.failed is not None:  # what was looked for is an answer of the one that failed
            return None
        return Kept(
            answer=self.id,
            tenant=self.order.caller.tenant,
            release=self.release,
            ids=tuple(self._ids),
            content=self.content,
            reasoning=self.reasoning,
            tool_calls=self.tool_calls,
            finish_reason=self.finish_reason,
            written=self._written(),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            at=self.created.timestamp(),
            chances=tuple(self.chances),
            prompt_chances=self.prompt_chances,
        )

    async def _attempt(self) -> str:
        order, codec, screening = self.order, self._lease.worker.codec, self.order.screening
        if screening is not None and screening.blocked is not None:
            return "content_filter"
        if self.look.kept is not None:
            return self._repeat(self.look.kept)
        self._guard = None if screening is None else screening.begin()
        if order.upstream is not None:
            return await self._relay(order.upstream)
        if order.reads:
            read = await self._lease.worker.read(order.prompt.ids, top=order.prompt.top or 0)
            self.prompt_chances = tuple(map(self._blurred, order.prompt.ids[1:], read))
        if order.embeds:
            self.vector = await self._lease.worker.embed(order.prompt.ids)
            return "stop"
        if not order.prompt.max_tokens:
            return "length"
        decoder, watch = codec.raw_stream() if order.raw else codec.stream(), StopWatch(order.stops)
        reason = "stop"
        async with (
            self._patience() as patience,
            contextlib.aclosing(self._lease.worker.stream(order.prompt)) as tokens,
        ):
            async for token in tokens:
                if token.id is not None:
                    self.times.append(self._clock.monotonic())
                    if self._first_at is None:
                        self._first_at = self.times[-1]
                        if patience is not None:
                            patience.reschedule(None)
                    self._ids.append(token.id)
                    if token.chance is not None:
                        self.chances.append((token.id, self._blurred(token.id, token.chance)))
                        self._told.say(token.id)
                    await self._take(decoder.push(token.id), watch)
                    if self._blocked:
                        return "content_filter"
                    if watch.hit:
                        return await self._end(Delta(), "stop")
                reason = token.finish_reason or reason
        last = decoder.finish()
        await self._take(last, watch)
        if watch.hit:
            return await self._end(Delta(), "stop")
        return await self._end(Delta(content=watch.finish(), tool_calls=last.tool_calls), reason, whole=True)

    async def _relay(self, asked: Asked) -> str:
        """As `_attempt`, of an upstream, which has read and said text."""
        self.relayed, watch = Relayed(asked), StopWatch(self.order.stops)
        async with self._patience() as patience, contextlib.aclosing(self._lease.worker.relay(asked)) as pieces:
            async for piece in pieces:
                self.times.append(self._clock.monotonic())
                if self._first_at is None:
                    self._first_at = self.times[-1]
                    if patience is not None:
                        patience.reschedule(None)
                self.relayed.add(piece)
                await self._take(Delta(content=piece.content, reasoning=piece.reasoning), watch)
                if self._blocked:
                    return "content_filter"
                if watch.hit:
                    return await self._end(Delta(), "stop")
        if self.order.blur is not None:
            self.relayed.blur(self.order.blur)
        last = Delta(content=watch.finish(), tool_calls=self.relayed.calls.whole())
        return await self._end(last, self.relayed.finish_reason, whole=True)

    def _patience(self) -> contextlib.AbstractAsyncContextManager[asyncio.Timeout | None]:
        """How long the first token may take, where that has an end."""
        return contextlib.nullcontext() if self._lease.first_token_s is None else self._first_token()

    @contextlib.asynccontextmanager
    async def _first_token(self) -> AsyncIterator[asyncio.Timeout]:
        """After the time for the first token, it is as if the engine had died."""
        try:
            async with asyncio.timeout(self._lease.first_token_s) as timeout:
                yield timeout
        except TimeoutError as error:
            raise EngineError("rollout.silent", release=digests.short(self.release)) from error

    @property
    def _blocked(self) -> bool:
        return self._guard is not None and self._guard.blocked is not None

    async def _take(self, delta: Delta, watch: StopWatch) -> None:
        free = Delta(content=watch.push(delta.content), reasoning=delta.reasoning)
        self._let_out(free if self._guard is None else await self._guard.push(free))

    def _blurred(self, id_: int, chance: Chance) -> Chance:
        return chance if self.order.blur is None else self.order.blur(id_, chance)

    async def _end(self, last: Delta, reason: str, *, whole: bool = False) -> str:
        """Let the rest of the answer out; the finish reason."""
        if whole and self.order.planted and not last.tool_calls:
            last = dataclasses.replace(last, content=last.content + self.order.planted)
        if self._guard is not None:
            self._let_out(await self._guard.push(Delta(content=last.content)))
            last = await self._guard.finish(last.tool_calls)
        self._let_out(last)
        self.tool_calls = last.tool_calls
        if self._blocked:
            return "content_filter"
        return "tool_calls" if last.tool_calls else reason

    def _let_out(self, delta: Delta) -> None:
        self.content += delta.content
        self.reasoning += delta.reasoning
        if self._guard is None or not self._guard.changed:  # behind a changed word nobody knows which id is whose
            self._told.show(delta.reasoning + delta.content)
        if self._live and (delta.content or delta.reasoning or delta.tool_calls):
            self._settled.set()
            if self._turn is not None:
                self._turn.keep()
            self._put(delta)

    def _put(self, delta: Delta | None) -> None:
        self._out.put_nowait((delta, self._told.count))

    def _over(self, task: asyncio.Task[None]) -> None:
        self._settled.set()
        self._put(None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.warning("%s ended in an error: %s", self.id, error)
        for callback in self._when_ended:
            try:
                callback(self)
            except Exception:
                _logger.exception("a defect, after %s", self.id)

    def _written(self) -> str:
        """What the record says that the answer was: tool calls stand in the words that the model wrote."""
        if self.look.kept is not None and self.finish_reason in FINISHED:
            return self.look.kept.written
        if not self.tool_calls:
            return self.content if self._guard is None else self._guard.content
        said = self.relayed.written(self.content) if self.relayed else self._lease.worker.codec.decode(self._ids)
        return said if self._guard is None else self._guard.words(said)

    def _answer(self) -> Answer:
        now, order = self._clock.monotonic(), self.order
        self.ended_at = now
        first_at = now if self._first_at is None else self._first_at
        prompt = order.prompt
        guard, screening = self._guard, order.screening
        if screening is not None:
            screening.ended()
        return Answer(
            id=self.id,
            release=self.release,
            at=self.created.isoformat(),
            caller=order.caller.name,
            messages=_kept(order),
            content=self._written(),
            reasoning=(self.reasoning if guard is None else guard.reasoning) or None,
            finish_reason=self.finish_reason,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            first_token_ms=round(1000 * (first_at - order.asked_at), 3),
            total_ms=round(1000 * (now - order.asked_at), 3),
            decoding={
                "max_tokens": prompt.max_tokens,
                "temperature": prompt.temperature,
                "top_p": prompt.top_p,
                "seed": prompt.seed,
                "stop": list(order.stops),
                **self.look.facts,
                **_unusual(prompt, embeds=order.embeds),
                **_sureness(self.chances),
                **({"sent_back": self._turn.sent_back} if self._turn is not None and self._turn.sent_back else {}),
            },
            # A repeated answer says nothing of whoever would have given it.
            arm=self._lease.arm if self.look.kept is None else {},
            safety=None if screening is None else screening.facts(),
            subject=subject_name(order.caller.tenant, order.caller.name, *([order.user] if order.user else [])),
            session=order.session,
            consent=order.consent,
        )


def _told_the_cache(reply: Reply) -> None:
    reply.look.over(reply.to_keep())


def _sureness(chances: Sequence[tuple[int, Chance]]) -> dict[str, float]:
    """Mean log-probability of the answer's tokens, where they were asked for: unsure ones are reviewed first."""
    return {"logprob": round(sum(chance.logprob for _, chance in chances) / len(chances), 4)} if chances else {}


def _kept(order: Order) -> list[dict[str, Any]]:
    """The messages as the ledger keeps them."""
    messages = [dict(message) for message in order.messages]
    return messages if order.screening is None else order.screening.kept(messages)


def _unusual(prompt: Prompt, *, embeds: bool) -> dict[str, Any]:
    """What most requests do not say about how their answers are drawn."""
    said = {
        "presence_penalty": prompt.presence,
        "frequency_penalty": prompt.frequency,
        "logit_bias": [list(one) for one in prompt.bias],
        "grammar": prompt.grammar and digests.of_bytes(prompt.grammar.encode()),
        "embeds": embeds,
    }
    return {name: value for name, value in said.items() if value}
