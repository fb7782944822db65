"""The client of an OpenAI-compatible endpoint: sends again what failed on the way, and tells what never will work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from seekloop.runtime.endpoint.meter import prompt_tokens, tokens_of
from seekloop.runtime.endpoint.pace import Pace
from seekloop.runtime.endpoint.queue import Kept, Told
from seekloop.runtime.endpoint.spec import EndpointSpec
from seekloop.runtime.endpoint.wire import OF_REQUEST, authorization, chat_body, told
from seekloop.system.clock import Clock
from seekloop.system.errors import DataError
from seekloop.system.retry import PASSING, Fault, Patience

__all__ = ["Client", "body_of", "kept_of"]


def body_of(endpoint: EndpointSpec, messages: list[dict[str, str]], *, seed: int) -> dict[str, Any]:
    """The request's JSON: the same spec, messages and seed give the same bytes."""
    body = chat_body(
        endpoint.model, messages, temperature=endpoint.temperature, max_tokens=endpoint.max_tokens, seed=seed
    )
    return {**body, "response_format": {"type": "json_object"}} if endpoint.json_mode else body


def kept_of(value: object, body: Mapping[str, Any]) -> Kept | None:
    """What to keep of an endpoint's answer; None: it is no chat completion."""
    try:
        choice = value["choices"][0]  # type: ignore[index]
        text = choice["message"]["content"] or ""
        usage = value.get("usage") or {}  # type: ignore[attr-defined]
        counted = "prompt_tokens" in usage and "completion_tokens" in usage
        return Kept(
            text=str(text),
            model=str(value.get("model") or body["model"]),  # type: ignore[attr-defined]
            finish=str(choice.get("finish_reason") or ""),
            tokens_in=int(usage["prompt_tokens"]) if counted else prompt_tokens(body["messages"]),
            tokens_out=int(usage["completion_tokens"]) if counted else tokens_of(str(text)),
            counted=counted,
            tokens=_told(choice),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        return None


def _told(choice: Mapping[str, Any]) -> list[Told] | None:
    """The answer's tokens with the likeliest ones in their places; None: the endpoint does not tell."""
    content = (choice.get("logprobs") or {}).get("content")
    if content is None:
        return None
    return [
        Told(
            token=str(one["token"]),
            top=[(str(other["token"]), float(other["logprob"])) for other in one.get("top_logprobs") or ()],
        )
        for one in content
    ]


class Client:
    """Asks one endpoint; used inside one event loop.

    Raises:
        UsageError: the environment has no such key.
    """

    def __init__(self, endpoint: EndpointSpec, *, clock: Clock) -> None:
        self.endpoint = endpoint
        self.pace = Pace(requests=endpoint.requests_per_minute, tokens=endpoint.tokens_per_minute, clock=clock)
        self._clock = clock
        self._patience = Patience(retries=endpoint.retries, backoff_s=endpoint.backoff_s, fractions=True)
        self._http = httpx2.AsyncClient(
            base_url=endpoint.url.rstrip("/") + "/",
            headers=authorization(endpoint.key),
            timeout=httpx2.Timeout(endpoint.timeout_s),
            limits=httpx2.Limits(max_connections=endpoint.concurrency),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(self, body: Mapping[str, Any]) -> Kept:
        """The endpoint's answer, or that it will never answer this request.

        Raises:
            DataError: it cannot be reached, does not speak the protocol, or refuses every request (no right to ask, no
                such model). What was answered before is kept.
        """
        asked = prompt_tokens(body["messages"])
        attempt = 0
        while True:
            await self.pace.wait(tokens=asked)
            try:
                kept = await self._once(body)
            except Fault as fault:
                pause = self._patience.pause(fault, attempt, now=self._clock.now())
                attempt += 1
                if pause is None:
                    where = self.endpoint.url
                    raise DataError(
                        "endpoint.unreachable", problem=fault.problem, tries=attempt, where=where
                    ) from fault
                await self._wait(fault, pause)
                continue
            self.pace.correct(kept.tokens_in + kept.tokens_out - asked)
            return kept

    async def _once(self, body: Mapping[str, Any]) -> Kept:
        try:
            response = await self._http.post("chat/completions", json=body)
        except httpx2.HTTPError as error:
            raise Fault(f"{type(error).__name__} {error}".strip()) from error
        kept = self._answer(response, body)
        if kept is None:
            code = response.status_code
            raise Fault(f"HTTP {code} {told(response)}", status=code, told=response.headers.get("retry-after"))
        return kept

    def _answer(self, response: httpx2.Response, body: Mapping[str, Any]) -> Kept | None:
        """What the response is worth keeping; None: send it again."""
        status = response.status_code
        if status in OF_REQUEST:
            return Kept(
                text="", model=str(body["model"]), finish="", tokens_in=0, tokens_out=0, rejected=told(response)
            )
        if status not in PASSING and not response.is_success:
            raise DataError("endpoint.refused", status=status, problem=told(response), where=self.endpoint.url)
        if not response.is_success:
            return None
        try:
            return kept_of(response.json(), body)
        except ValueError:  # JSON that breaks off
            return None

    async def _wait(self, fault: Fault, seconds: float) -> None:
        if fault.status in (429, 503):
            self.pace.pause(seconds)  # the limit is the key's, not this request's
        await asyncio.sleep(seconds)
