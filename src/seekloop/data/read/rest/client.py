"""Requests to a server that has faults: repeated with a growing pause, never faster than allowed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

from seekloop.data.pulls import RestSpec
from seekloop.data.read.rest.tokens import Credentials
from seekloop.data.read.stream import Desk
from seekloop.data.read.values import scrubbed
from seekloop.system import secrets
from seekloop.system.errors import DataError
from seekloop.system.retry import PASSING, Fault, Patience

__all__ = ["Answer", "Client"]

_longest_asked_s = 3_600.0
_worth_saying_s = 5.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    value: Any
    """The JSON value of the body; None where the status is no success."""
    url: str
    """Where it came from."""
    next_link: str | None
    """The address in the header `Link` whose relation is `next`."""


class Client:
    """Sends requests for one source. Use it as a context manager.

    Args:
        spec: address, proof, patience.
        desk: clock, and whom to tell of long pauses.
        pause: how to wait, seconds.
    """

    def __init__(self, spec: RestSpec, *, desk: Desk, pause: Callable[[float], None] = time.sleep) -> None:
        self._spec = spec
        self._desk = desk
        self._pause = pause
        self._patience = Patience(retries=spec.retries, backoff_s=spec.backoff_s, longest_asked_s=_longest_asked_s)
        self._next_at = 0.0
        # Redirects are not followed: they could carry the credentials to another host.
        self._http = httpx2.Client(timeout=spec.timeout_s, follow_redirects=False)
        self._credentials = Credentials(spec.auth, client=self._http, clock=desk.ctx.clock, shown=spec.shown)
        self._hidden = secrets.values(_texts(spec.model_dump()))
        self._headers = {name: secrets.fill(value) for name, value in spec.headers.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, url: str, params: Mapping[str, str] | None) -> Answer:
        """The answer to a GET, after as many repetitions as it takes and the spec allows.

        Args:
            url: address.
            params: query parameters; None: those in the address.

        Raises:
            DataError: the server refuses the credentials, or faults do not end.
        """
        asked_anew, attempt = False, 0
        while True:
            self._keep_pace()
            try:
                answer = self._once(url, params)
            except Fault as fault:
                pause = self._patience.pause(fault, attempt, now=self._desk.ctx.clock.now())
                attempt += 1
                if pause is None:
                    raise self._gave_up(fault, attempt) from fault
                self._wait(fault, pause)
                continue
            if answer.status == 401 and self._credentials.can_refresh and not asked_anew:
                self._credentials.refuse()
                asked_anew = True
                continue
            if answer.status in (401, 403):
                raise DataError("data.rest_refused", status=answer.status, where=self._spec.shown)
            return answer

    def _gave_up(self, fault: Fault, count: int) -> DataError:
        problem = secrets.hide(fault.problem, self._hidden)
        return DataError("data.rest_gave_up", problem=problem, count=count, where=self._spec.shown)

    def _once(self, url: str, params: Mapping[str, str] | None) -> Answer:
        try:
            headers = {"Accept": "application/json", **self._headers, **self._credentials.headers()}
            response = self._http.get(url, params=params, headers=headers)
        except httpx2.InvalidURL as error:
            raise DataError("data.rest_bad_url", where=self._spec.shown) from error
        except httpx2.HTTPStatusError as error:
            raise Fault(f"the token server answers {error.response.status_code}") from error
        except httpx2.HTTPError as error:
            raise Fault(f"{type(error).__name__}: {error}") from error
        if response.status_code in PASSING:
            code = response.status_code
            raise Fault(f"status {code}", status=code, told=response.headers.get("Retry-After"))
        if not response.is_success:
            return Answer(status=response.status_code, value=None, url=str(response.url), next_link=None)
        try:
            value = json.loads(response.content, parse_constant=lambda _: None)
        except ValueError as error:
            raise Fault(f"the answer is no JSON: {error}") from error
        link = response.links.get("next", {}).get("url")
        value = scrubbed(value) if b"\\u" in response.content else value
        return Answer(status=response.status_code, value=value, url=str(response.url), next_link=link)

    def _keep_pace(self) -> None:
        """Wait until the next request may be sent."""
        if self._spec.per_minute is None:
            return
        clock = self._desk.ctx.clock
        now = clock.monotonic()
        if now < self._next_at:
            self._pause(self._next_at - now)
        self._next_at = max(now, self._next_at) + 60.0 / self._spec.per_minute

    def _wait(self, fault: Fault, pause: float) -> None:
        if pause >= _worth_saying_s:
            problem = secrets.hide(fault.problem, self._hidden)
            self._desk.say(f"{self._spec.shown}: {problem}; again in {pause:.0f} s")
        self._pause(pause)


def _texts(value: Any) -> list[str]:
    """Every string in a value."""
    if isinstance(value, str):
        return [value]
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    return [text for one in inner for text in _texts(one)]
