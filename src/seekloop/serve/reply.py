"""One accepted request on its way to a recorded answer.

A reply runs in a task of its own, so that neither a client that leaves nor a release that is replaced can keep it from
being recorded: every accepted request ends as one row in the ledger, finished, failed or cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.ledger import Answer
from seekloop.model.codec import Delta
from seekloop.runtime.generate.backend import Chance, Prompt
from seekloop.serve.caller import Caller
from seekloop.serve.recorder import Recorder
from seekloop.serve.stops import StopWatch
from seekloop.serve.worker import Worker
from seekloop.system import digests
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError

__all__ = ["Order", "Reply"]

_logger = logging.getLogger("seekloop.serve")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was asked, ready for the engine."""

    caller: Caller
    messages: Sequence[Mapping[str, Any]]
    """As the caller sent them."""
    prompt: Prompt
    stops: tuple[str, ...]
    stream: bool
    """Whether text is wanted as it comes."""
    raw: bool = False
    """The prompt is text, not a conversation, and so is the answer."""
    reads: bool = False
    """Whether the log-probabilities of the prompt are wanted too, `prompt.top` likeliest ids with each."""
    asked_at: float
    """When the request came in, by the clock's monotonic seconds."""


class Reply:
    """The answer to one order, being made by one worker.

    Args:
        order: what was asked.
        worker: leased for this reply, which gives it back.
        recorder: makes the answer durable.
        clock: dates and times it.
        on_free: called when the engine is free again, before the answer is durable.
    """

    def __init__(
        self, order: Order, *, worker: Worker, recorder: Recorder, clock: Clock, on_free: Callable[[], None]
    ) -> None:
        self.id = f"ans_{secrets.token_hex(16)}"
        self.release = worker.release.id
        self.created = clock.now()
        self.content = ""
        self.reasoning = ""
        self.tool_calls: tuple[dict[str, Any], ...] = ()
        self.finish_reason = "error"
        """`stop`, `length`, `tool_calls`, `cancelled` or `error`."""
        self.prompt_ids = order.prompt.ids
        self.codec = worker.codec
        self.prompt_chances: tuple[Chance, ...] = ()
        """Of each id of the prompt but the first, where they were asked for."""
        self.chances: list[tuple[int, Chance]] = []
        """Of each generated id, where they were asked for."""
        self._order = order
        self._worker = worker
        self._recorder = recorder
        self._clock = clock
        self._on_free = on_free
        self._ids: list[int] = []
        self._first_at: float | None = None
        self._begun = self._unwanted = False
        # While the ledger refuses rows, nothing goes out before its row is durable.
        self._live = order.stream and not recorder.failing
        self._out: asyncio.Queue[Delta | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._over)

    @property
    def asked(self) -> str:
        """The last thing that was said to the model, as the caller sent it."""
        return str(self._order.messages[-1]["content"])

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return len(self.prompt_ids)

    @property
    def completion_tokens(self) -> int:
        """Tokens generated, without the stop id."""
        return len(self._ids)

    async def deltas(self) -> AsyncIterator[Delta]:
        """The text as it comes; when the iterator ends, the answer is complete and durable.

        Raises:
            EngineError: the engine died under it.
            LedgerError: the answer could not be recorded.
        """
        while (delta := await self._out.get()) is not None:
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
        # A task that has not begun would be cancelled without a trace, and its row would be missing.
        if self._begun and not self._task.done():
            self._task.cancel()

    def when_ended(self, callback: Callable[[Reply], None]) -> None:
        """Have `callback` called once it is over."""
        self._task.add_done_callback(lambda _: callback(self))

    async def ended(self) -> None:
        """Wait until it is over, one way or the other."""
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        self._begun = True
        try:
            self.finish_reason = "cancelled" if self._unwanted else await self._generate()
        except asyncio.CancelledError:
            self.finish_reason = "cancelled"
        finally:
            self._worker.give_back()
            self._on_free()
            await self._recorder.record(self._answer())
        if self._order.stream and not self._live:
            self._out.put_nowait(Delta(content=self.content, reasoning=self.reasoning, tool_calls=self.tool_calls))

    async def _generate(self) -> str:
        """The finish reason. An engine that died before anything was let out gets one more chance."""
        try:
            return await self._attempt()
        except EngineError:
            if self._live and (self.content or self.reasoning):
                raise
            self._ids, self._first_at, self.content, self.reasoning, self.chances = [], None, "", "", []
            await self._revived()
            return await self._attempt()

    async def _revived(self) -> None:
        try:
            await self._worker.revive()
        except EngineError as error:
            _logger.warning("%s: %s", self.id, error.sentence("en"))
            raise EngineError("serve.engine_down", release=digests.short(self.release)) from error

    async def _attempt(self) -> str:
        order, codec = self._order, self._worker.codec
        if order.reads:
            self.prompt_chances = await self._worker.read(order.prompt.ids, top=order.prompt.top or 0)
        if not order.prompt.max_tokens:
            return "length"
        decoder, watch = codec.raw_stream() if order.raw else codec.stream(), StopWatch(order.stops)
        reason = "stop"
        async with contextlib.aclosing(self._worker.stream(order.prompt)) as tokens:
            async for token in tokens:
                if token.id is not None:
                    if self._first_at is None:
                        self._first_at = self._clock.monotonic()
                    self._ids.append(token.id)
                    if token.chance is not None:
                        self.chances.append((token.id, token.chance))
                    self._take(decoder.push(token.id), watch)
                    if watch.hit:
                        return "stop"
                reason = token.finish_reason or reason
        last = decoder.finish()
        self._take(last, watch)
        if watch.hit:
            return "stop"
        self._let_out(Delta(content=watch.finish(), tool_calls=last.tool_calls))
        self.tool_calls = last.tool_calls
        return "tool_calls" if last.tool_calls else reason

    def _take(self, delta: Delta, watch: StopWatch) -> None:
        self._let_out(Delta(content=watch.push(delta.content), reasoning=delta.reasoning))

    def _let_out(self, delta: Delta) -> None:
        self.content += delta.content
        self.reasoning += delta.reasoning
        if self._live and (delta.content or delta.reasoning or delta.tool_calls):
            self._out.put_nowait(delta)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._out.put_nowait(None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.warning("%s ended in an error: %s", self.id, error)

    def _answer(self) -> Answer:
        now, order = self._clock.monotonic(), self._order
        first_at = now if self._first_at is None else self._first_at
        prompt = order.prompt
        # The record keeps tool calls in the words that the model wrote.
        content = self._worker.codec.decode(self._ids) if self.tool_calls else self.content
        return Answer(
            id=self.id,
            release=self.release,
            at=self.created.isoformat(),
            caller=order.caller.name,
            messages=[dict(message) for message in order.messages],
            content=content,
            reasoning=self.reasoning or None,
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
            },
        )
