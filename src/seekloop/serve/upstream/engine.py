"""An upstream as the engine of a release: it is asked with messages, and says its answer in text."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from seekloop.runtime.endpoint.served import Endpoint
from seekloop.runtime.endpoint.wire import OF_REQUEST, authorization
from seekloop.runtime.generate.backend import Ability, Chance, Prompt, Token
from seekloop.runtime.http.connection import Broken, Connection, Waits
from seekloop.runtime.http.connections import Connections
from seekloop.runtime.http.events import Events
from seekloop.serve.upstream.asking import Asked
from seekloop.serve.upstream.options import UpstreamOptions
from seekloop.serve.upstream.reading import Heard, heard, problem_of
from seekloop.system.errors import EngineError, UsageError

__all__ = ["Upstream"]

_busy = frozenset({429, 503, 529})
_streaming = {"stream": True, "stream_options": {"include_usage": True}}
_probe = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1, "temperature": 0}


class Upstream:
    """One model of one OpenAI-compatible endpoint. An `AsyncBackend` but for its tokens, which it keeps to itself.

    Args:
        endpoint: address and model.
        options: key and waits.

    Raises:
        UsageError: the environment has no such key.
    """

    abilities: frozenset[Ability] = frozenset({"grammar", "penalties", "logit_bias"})

    def __init__(self, endpoint: Endpoint, *, options: UpstreamOptions) -> None:
        self.name = f"endpoint {endpoint.url}"
        self._model = endpoint.model
        waits = Waits(connect_s=options.connect_s, silence_s=options.silence_s, idle_s=options.idle_s)
        self._connections = Connections(
            endpoint.url, headers=authorization(options.key), waits=waits, certificates=options.certificates
        )
        self._alive = True

    async def relay(self, asked: Asked) -> AsyncGenerator[Heard, None]:
        """The answer: one piece where it was asked for whole, else piece by piece. `aclose` hangs up.

        Raises:
            EngineError: it cannot be reached, is busy, or broke off.
            UsageError: it refuses this very request.
        """
        try:
            connection = await self._asked(asked)
            try:
                if asked.stream:
                    async for piece in _streamed(connection):
                        yield piece
                else:
                    yield heard(await connection.rest())
            finally:
                self._connections.done(connection)
        except Broken as error:
            raise EngineError("upstream.broke_off", where=self.name, problem=str(error)) from error
        except ValueError as error:
            raise EngineError("upstream.no_answer", where=self.name, problem=str(error)) from error

    def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        """Refused: an upstream takes no ids.

        Raises:
            EngineError: always.
        """
        raise EngineError("upstream.takes_text", where=self.name)

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """Refused: an upstream takes no ids.

        Raises:
            EngineError: always.
        """
        raise EngineError("upstream.takes_text", where=self.name)

    async def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """Refused: an upstream takes no ids.

        Raises:
            EngineError: always.
        """
        raise EngineError("upstream.takes_text", where=self.name)

    async def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """Refused: an upstream takes no ids.

        Raises:
            EngineError: always.
        """
        raise EngineError("upstream.takes_text", where=self.name)

    def alive(self) -> bool:
        """Whether it could be reached the last time."""
        return self._alive

    async def probe(self) -> None:
        """Have it give one token.

        Raises:
            EngineError: it gives none.
        """
        try:
            async for _ in self.relay(Asked(path="chat/completions", body=_probe)):
                pass
        except UsageError as error:
            raise EngineError("upstream.no_answer", where=self.name, problem=error.sentence("en")) from error

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        self._alive = False
        self._connections.close()

    async def _asked(self, asked: Asked) -> Connection:
        """A connection on which a good answer has begun."""
        stream = _streaming if asked.stream else {}
        body = json.dumps(
            {"model": self._model, **asked.body, **stream}, ensure_ascii=False, separators=(",", ":")
        ).encode()
        try:
            connection = await self._connections.ask(asked.path, body)
        except Broken as error:
            # Unreachable, not slow: whoever comes next finds out by a probe, not by a request of a caller's.
            self._alive = self._alive and not error.unreachable
            raise
        status, _ = await connection.head()
        if status == 200:
            return connection
        try:
            problem = problem_of(await connection.rest())
        finally:
            self._connections.done(connection)
        raise _refusal(status, problem=problem, where=self.name)


async def _streamed(connection: Connection) -> AsyncGenerator[Heard, None]:
    events, finished = Events(), False
    while data := await connection.piece():
        for event in events.push(data):
            piece = heard(event)
            finished = finished or piece.finish_reason is not None
            yield piece
    if not (events.done or finished):
        raise Broken("the stream ended without its end")


def _refusal(status: int, *, problem: str, where: str) -> Exception:
    facts: dict[str, Any] = {"where": where, "status": status, "problem": problem}
    if status in OF_REQUEST:
        return UsageError("upstream.refused", status=status, problem=problem)
    return EngineError("upstream.busy" if status in _busy else "upstream.failed", **facts)
