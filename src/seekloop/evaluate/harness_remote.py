"""A served endpoint as a harness model: `/v1/completions` with `echo` and `logprobs`, as vLLM has it.

The endpoint tokenises; what it says of each token of context and continuation together is summed from where the
continuation begins. Generation goes the same way, with stop texts. Whoever gives no answer after all retries ends the
evaluation: a harness has no rows without an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2

from seekloop.artifact.rows import Message
from seekloop.evaluate.ask_spec import AskSpec
from seekloop.evaluate.harness_text import Asked, cut_at
from seekloop.runtime.endpoint.served import Endpoint
from seekloop.runtime.endpoint.wire import authorization
from seekloop.system.clock import Clock
from seekloop.system.errors import EngineError, UsageError
from seekloop.system.retry import PASSING, Fault, Patience

__all__ = ["RemoteModel"]

_shown = 200


class RemoteModel:
    """One model of one endpoint.

    Args:
        endpoint: who is asked.
        ask: key, waits and retries.
        streams: requests at the same time.
        clock: dates what `Retry-After` says.
        progress: called after each answer.

    Raises:
        UsageError: the environment has no such key.
    """

    def __init__(
        self, endpoint: Endpoint, *, ask: AskSpec, streams: int, clock: Clock, progress: Callable[[], None]
    ) -> None:
        self.name = f"endpoint {endpoint.url}#{endpoint.model}"
        self.cut = 0
        self._endpoint, self._ask, self._streams = endpoint, ask, streams
        self._clock, self._progress = clock, progress
        self._patience = Patience(retries=ask.retries, backoff_s=ask.backoff_s, fractions=True)
        self._headers = authorization(ask.key)

    def likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        """As `TextModel`.

        Raises:
            EngineError: the endpoint tells no log-probabilities of prompts, or gave no answer.
        """
        bodies = [self._echo(context + continuation) for context, continuation in pairs]
        choices = self._all(bodies)
        return [self._sum(one, start=len(context)) for one, (context, _) in zip(choices, pairs, strict=True)]

    def whole_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """As `TextModel`; the first token, which nothing precedes, counts for nothing.

        Raises:
            EngineError: the endpoint tells no log-probabilities of prompts, or gave no answer.
        """
        return [self._sum(one, start=0)[0] for one in self._all([self._echo(text) for text in texts])]

    def answers(self, asked: Sequence[Asked]) -> list[str]:
        """As `TextModel`.

        Raises:
            EngineError: the endpoint gave no answer.
        """
        bodies = [
            {"prompt": one.text, "max_tokens": one.max_tokens, "temperature": one.temperature, "stop": one.until[:4]}
            for one in asked
        ]
        return [cut_at(one["text"], each.until)[0] for one, each in zip(self._all(bodies), asked, strict=True)]

    def chat(self, turns: Sequence[Message], *, open_turn: bool) -> str:
        """An endpoint keeps its template to itself.

        Raises:
            UsageError: always.
        """
        raise UsageError("evaluate.harness_no_template", url=self._endpoint.url)

    def _echo(self, text: str) -> dict[str, Any]:
        return {"prompt": text, "max_tokens": 0, "temperature": 0, "echo": True, "logprobs": 1}

    def _sum(self, choice: Mapping[str, Any], *, start: int) -> tuple[float, bool]:
        told = choice.get("logprobs") or {}
        offsets, values, tops = (told.get(key) for key in ("text_offset", "token_logprobs", "top_logprobs"))
        if not offsets or not values:
            raise EngineError("evaluate.harness_no_logprobs", url=self._endpoint.url)
        # A token that begins before the border, with the blank of the context, belongs to the continuation's word.
        first = next((place for place, at in enumerate(offsets) if at >= start), len(offsets) - 1)
        places = [place for place in range(first, len(offsets)) if values[place] is not None]
        greedy = all(tops and tops[place] and values[place] >= max(tops[place].values()) for place in places)
        return sum(float(values[place]) for place in places), greedy

    def _all(self, bodies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return asyncio.run(self._ask_all(bodies))

    async def _ask_all(self, bodies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        waiting = iter(enumerate(bodies))
        timeout, limits = httpx2.Timeout(self._ask.timeout_s), httpx2.Limits(max_connections=self._streams)
        url = self._endpoint.url + "/"
        async with httpx2.AsyncClient(base_url=url, headers=self._headers, timeout=timeout, limits=limits) as http:

            async def work() -> None:
                for index, body in waiting:
                    found[index] = await self._one(http, {"model": self._endpoint.model, **body})
                    self._progress()

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._streams, len(bodies))):
                        group.create_task(work())
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from errors
        return [found[index] for index in range(len(bodies))]

    async def _one(self, http: httpx2.AsyncClient, body: Mapping[str, Any]) -> dict[str, Any]:
        attempt = 0
        while True:
            try:
                response = await http.post("completions", json=body)
                return self._choice(response)
            except (httpx2.HTTPError, Fault) as error:
                fault = error if isinstance(error, Fault) else Fault(f"{type(error).__name__} {error}".strip())
            pause = self._patience.pause(fault, attempt, now=self._clock.now())
            attempt += 1
            if pause is None:
                raise EngineError("evaluate.endpoint_gone", url=self._endpoint.url, rows=1, problem=fault.problem)
            await asyncio.sleep(pause)

    def _choice(self, response: httpx2.Response) -> dict[str, Any]:
        status, told = response.status_code, " ".join(response.text.split())[:_shown]
        if status in PASSING:
            raise Fault(f"HTTP {status} {told}", status=status, told=response.headers.get("retry-after"))
        if status in (404, 405):
            raise EngineError("evaluate.harness_no_completions", url=self._endpoint.url, status=status)
        if not response.is_success:
            raise EngineError("evaluate.endpoint_refused", url=self._endpoint.url, status=status, problem=told)
        try:
            choice: dict[str, Any] = response.json()["choices"][0]
            return {**choice, "text": str(choice["text"])}
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise Fault("the answer is no completion") from error
