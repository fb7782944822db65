"""Asks a model behind an OpenAI-compatible endpoint. A row that gets no answer is unanswered, never wrong."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from seekloop.artifact.rows import Message
from seekloop.evaluate.probes.asking import Probe
from seekloop.evaluate.questions import Question
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.runtime.endpoint.served import Endpoint
from seekloop.runtime.endpoint.wire import OF_REQUEST, authorization, chat_body, told
from seekloop.runtime.generate.backend import FinishReason
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError
from seekloop.system.retry import PASSING, Fault, Patience

__all__ = ["Remote", "Said", "Unanswered", "body_of", "probe_body"]

_largest_seed = 2**31 - 1
_streams = 8
"""Requests at the same time where the spec does not say."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """An endpoint's answer to one row."""

    content: str
    tool_calls: tuple[dict[str, Any], ...]
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    """As the endpoint counts them; bytes where it does not."""
    total_s: float
    """From the first try to the end of the answer, pauses included."""
    version: str
    """What the endpoint says it is: `system_fingerprint`; empty where it says nothing."""

    def message(self) -> Message:
        """The answer as a turn."""
        return Message(role="assistant", content=self.content, tool_calls=self.tool_calls)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Said:
        """The opposite of `to_json`."""
        return cls(**{**value, "tool_calls": tuple(value["tool_calls"])})


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """Why a row has no answer."""

    problem: str


Heard = Callable[[int, "Said | Unanswered"], None]


def body_of(question: Question, spec: EvaluateSpec, *, model: str, seed: int) -> dict[str, Any]:
    """The request's JSON: the same row and spec give the same bytes, however often it is sent."""
    turns = [_turn(message) for message in question.asked]
    body = chat_body(model, turns, temperature=spec.temperature, max_tokens=spec.max_tokens, seed=seed & _largest_seed)
    return {**body, "tools": list(question.row.tools)} if question.row.tools else body


def probe_body(probe: Probe, *, model: str) -> dict[str, Any]:
    """The same for a probe, greedy."""
    return chat_body(
        model, [_turn(one) for one in probe.item.messages], temperature=0.0, max_tokens=probe.tokens, seed=0
    )


class Remote:
    """One endpoint with the patience of one spec.

    Args:
        endpoint: who is asked.
        spec: the answers' length and temperature, requests at the same time, and patience.
        clock: times answers, and dates what `Retry-After` says.

    Raises:
        UsageError: the environment has no such key.
    """

    def __init__(self, endpoint: Endpoint, spec: EvaluateSpec, *, clock: Clock) -> None:
        self.name = f"endpoint {endpoint.url}#{endpoint.model}"
        self._endpoint, self._spec, self._clock = endpoint, spec, clock
        self._patience = Patience(retries=spec.ask.retries, backoff_s=spec.ask.backoff_s, fractions=True)
        self._headers = authorization(spec.ask.key)
        self._streams = spec.streams or _streams
        self._silent = 0

    def ask(self, bodies: Sequence[tuple[int, Mapping[str, Any]]], *, heard: Heard) -> None:
        """Send all requests, `streams` of them at a time.

        Args:
            bodies: (index, JSON); the index is given back with the answer.
            heard: called on this thread with each answer as it comes.

        Raises:
            EngineError: too many rows in a row got no answer, or the endpoint refuses every request.
        """
        asyncio.run(self._ask_all(bodies, heard=heard))

    async def _ask_all(self, bodies: Sequence[tuple[int, Mapping[str, Any]]], *, heard: Heard) -> None:
        waiting = iter(bodies)
        url, streams = self._endpoint.url + "/", self._streams
        timeout, limits = httpx2.Timeout(self._spec.ask.timeout_s), httpx2.Limits(max_connections=streams)
        async with httpx2.AsyncClient(base_url=url, headers=self._headers, timeout=timeout, limits=limits) as http:

            async def work() -> None:
                for index, body in waiting:
                    heard(index, self._counted(await self._answer(http, body)))

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(streams, len(bodies))):
                        group.create_task(work())
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from errors

    def _counted(self, answer: Said | Unanswered) -> Said | Unanswered:
        self._silent = self._silent + 1 if isinstance(answer, Unanswered) else 0
        if isinstance(answer, Unanswered) and self._silent >= self._spec.ask.give_up_after:
            raise EngineError(
                "evaluate.endpoint_gone", url=self._endpoint.url, rows=self._silent, problem=answer.problem
            )
        return answer

    async def _answer(self, http: httpx2.AsyncClient, body: Mapping[str, Any]) -> Said | Unanswered:
        attempt, started = 0, self._clock.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._spec.ask.timeout_s):
                    response = await http.post("chat/completions", json=body)
                if response.status_code in OF_REQUEST:
                    return Unanswered(problem=f"HTTP {response.status_code} {told(response)}")
                return self._said(response, started=started)
            except (httpx2.HTTPError, TimeoutError, Fault) as error:
                fault = error if isinstance(error, Fault) else Fault(f"{type(error).__name__} {error}".strip())
            pause = self._patience.pause(fault, attempt, now=self._clock.now())
            if pause is None:
                return Unanswered(problem=fault.problem)
            attempt += 1
            await asyncio.sleep(pause)

    def _said(self, response: httpx2.Response, *, started: float) -> Said:
        """The answer in a response.

        Raises:
            Fault: there is none, and there may be one when it is asked for again.
            EngineError: there will never be one.
        """
        status = response.status_code
        if status in PASSING:
            raise Fault(f"HTTP {status} {told(response)}", status=status, told=response.headers.get("retry-after"))
        if not response.is_success:
            raise EngineError(
                "evaluate.endpoint_refused", url=self._endpoint.url, status=status, problem=told(response)
            )
        try:
            value = response.json()
            choice, usage = value["choices"][0], value.get("usage") or {}
            text = choice["message"].get("content") or ""
            return Said(
                content=text,
                tool_calls=tuple(choice["message"].get("tool_calls") or ()),
                finish_reason="length" if choice.get("finish_reason") in ("length", "content_filter") else "stop",
                prompt_tokens=int(usage.get("prompt_tokens", 0)),
                completion_tokens=int(usage.get("completion_tokens", len(text.encode()))),
                total_s=round(self._clock.monotonic() - started, 4),
                version=str(value.get("system_fingerprint") or ""),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Fault("the answer is no chat completion") from error


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    return {**turn, "tool_calls": list(message.tool_calls)} if message.tool_calls else turn
