"""A mock upstream: OpenAI's protocol with set delays and no model, cheap enough to measure a gateway against.

`python -m seekloop.serve.upstream.mock --port 9000 --first-ms 20` serves until its standard input ends;
`MockUpstream` does the same on a thread, for tests, and can be told to fail.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

from seekloop.serve.sockets import bound_to, url_of

__all__ = ["Manner", "MockUpstream", "Seen", "main"]

_length = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_usage_prompt = 16


@dataclass(kw_only=True)
class Manner:
    """How a mock upstream answers; it may be changed while it runs."""

    first_s: float = 0.0
    """Seconds before the first token."""
    pace_s: float = 0.0
    """Seconds between tokens."""
    words: tuple[str, ...] = ("Your", " card", " is", " on", " its", " way", ".")
    """The answer, a token each; it says them again and again where `tokens` is more."""
    tokens: int = 7
    """Tokens of an answer, unless a request asks for fewer."""
    status: int = 200
    """Anything else is answered instead."""
    cut_after: int | None = None
    """Hang up after so many tokens."""
    cached: int | None = None
    """Tokens of a prompt that it says it had read before; None: it says nothing of that."""
    calls: list[dict[str, Any]] = field(default_factory=list)
    """Tool calls that every answer makes instead of saying something."""


@dataclass
class Seen:
    """What a mock upstream saw."""

    connections: int = 0
    requests: int = 0
    left: int = 0
    """Requests whose client hung up before their end."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """The requests, where they are kept."""


class _Protocol(asyncio.Protocol):
    """One connection: a head, a body of `Content-Length`, an answer, and again."""

    def __init__(self, manner: Manner, seen: Seen, *, keep: bool) -> None:
        self._manner, self._seen, self._keep = manner, seen, keep
        self._rest = b""
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._seen.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None and not self._task.done():
            self._seen.left += 1
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if self._task is None or self._task.done():
            self._next()

    def _next(self) -> None:
        """Answer the next request, if it is whole."""
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        told = _length.search(head)
        length = int(told[1]) if told else 0
        if len(rest) < length:
            return
        body, self._rest = rest[:length], rest[length:]
        self._seen.requests += 1
        if head.startswith(b"GET "):
            self._send(200, {"object": "list", "data": [{"id": "mock", "object": "model"}]})
            return
        asked: dict[str, Any] = json.loads(body)
        if self._keep:
            self._seen.bodies.append(asked)
        self._answer(asked, raw=b"/chat/" not in head.split(b" ", 2)[1])

    def _answer(self, asked: dict[str, Any], *, raw: bool) -> None:
        manner = self._manner
        if manner.status != 200:
            self._send(manner.status, {"error": {"message": f"told to answer {manner.status}"}})
            return
        words = _words(manner, asked)
        if asked.get("stream"):
            self._work(self._streamed(asked, words, raw=raw))
        elif manner.first_s or manner.pace_s or manner.cut_after is not None:
            self._work(self._later(asked, words, raw=raw))
        else:
            self._send(200, _whole(asked, words, manner=manner, raw=raw))

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(lambda task: None if task.cancelled() else self._next())

    async def _later(self, asked: dict[str, Any], words: Sequence[str], *, raw: bool) -> None:
        manner = self._manner
        await asyncio.sleep(manner.first_s + manner.pace_s * (len(words) - 1))
        if manner.cut_after is not None:
            self.hang_up()
            return
        self._send(200, _whole(asked, words, manner=manner, raw=raw))

    async def _streamed(self, asked: dict[str, Any], words: Sequence[str], *, raw: bool) -> None:
        manner = self._manner
        await asyncio.sleep(manner.first_s)
        self._write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for place, word in enumerate(words):
            if manner.cut_after == place:
                self.hang_up()
                return
            if place and manner.pace_s:
                await asyncio.sleep(manner.pace_s)
            told = {"logprobs": _logprobs([word], raw=raw)} if asked.get("logprobs") else {}
            self._event({"text": word, **told} if raw else {"delta": {"content": word}, **told})
        reason = _reason(asked, words, manner=manner)
        calls = {"tool_calls": [{"index": at, **call} for at, call in enumerate(manner.calls)]} if manner.calls else {}
        self._event({"text": ""} if raw else {"delta": calls}, reason=reason)
        if (asked.get("stream_options") or {}).get("include_usage"):
            self._event(None, usage=_usage(len(words), manner=manner))
        self._write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def _event(
        self, said: dict[str, Any] | None, *, reason: str | None = None, usage: dict[str, Any] | None = None
    ) -> None:
        choices = [] if said is None else [{"index": 0, **said, "finish_reason": reason}]
        frame = {"id": "mock", "object": "chat.completion.chunk", "model": "mock", "choices": choices, "usage": usage}
        data = b"data: " + json.dumps(frame).encode() + b"\n\n"
        self._write(b"%x\r\n%b\r\n" % (len(data), data))

    def _send(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        head = b"HTTP/1.1 %d Mock\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._write(head % (status, len(data)) + data)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _words(manner: Manner, asked: dict[str, Any]) -> list[str]:
    if manner.calls:
        return []
    limit = asked.get("max_tokens")
    count = manner.tokens if limit is None else min(manner.tokens, limit)
    return [manner.words[at % len(manner.words)] for at in range(count)]


def _reason(asked: dict[str, Any], words: Sequence[str], *, manner: Manner) -> str:
    if manner.calls:
        return "tool_calls"
    return "length" if asked.get("max_tokens") == len(words) else "stop"


def _usage(tokens: int, *, manner: Manner) -> dict[str, Any]:
    counts = {"prompt_tokens": _usage_prompt, "completion_tokens": tokens, "total_tokens": _usage_prompt + tokens}
    return counts if manner.cached is None else {**counts, "prompt_tokens_details": {"cached_tokens": manner.cached}}


def _whole(asked: dict[str, Any], words: Sequence[str], *, manner: Manner, raw: bool) -> dict[str, Any]:
    text = "".join(words)
    message = {"role": "assistant", "content": text} | ({"tool_calls": manner.calls} if manner.calls else {})
    said: dict[str, Any] = {"text": text} if raw else {"message": message}
    if asked.get("logprobs"):
        said["logprobs"] = _logprobs(words, raw=raw)
    choice = {"index": 0, **said, "finish_reason": _reason(asked, words, manner=manner)}
    kind = "text_completion" if raw else "chat.completion"
    return {
        "id": "mock",
        "object": kind,
        "model": "mock",
        "choices": [choice],
        "usage": _usage(len(words), manner=manner),
    }


def _logprobs(words: Sequence[str], *, raw: bool) -> dict[str, Any]:
    """The same of every token."""
    if raw:
        tops = [{word: -0.5} for word in words]
        return {"tokens": list(words), "token_logprobs": [-0.5] * len(words), "top_logprobs": tops}
    return {"content": [{"token": word, "logprob": -0.5, "top_logprobs": []} for word in words], "refusal": None}


class MockUpstream:
    """A mock upstream on a thread, as a context manager.

    Args:
        manner: how it answers.
        port: 0 takes a free one.
    """

    def __init__(self, manner: Manner | None = None, *, port: int = 0) -> None:
        self.manner = manner or Manner()
        self.seen = Seen()
        self._bound = bound_to("127.0.0.1", port, backlog=128)
        self.url = f"{url_of(self._bound)}/v1"
        """Up to `/v1`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mock upstream")
        self._ending = asyncio.Event()
        self._made: list[_Protocol] = []

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and hang up on everybody."""
        self.stop()

    def stop(self) -> None:
        """Stop, and hang up on everybody; again is nothing new."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()

    def hang_up(self) -> None:
        """Close every connection, and go on."""
        self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        while self._made:
            self._made.pop().hang_up()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        def protocol() -> _Protocol:
            self._made.append(_Protocol(self.manner, self.seen, keep=True))
            return self._made[-1]

        server = await self._loop.create_server(protocol, sock=self._bound)
        await self._ending.wait()
        server.close()
        self._hang_up()
        await asyncio.sleep(0)


async def _forever(manner: Manner, *, port: int) -> None:
    bound = bound_to("127.0.0.1", port, backlog=2048)
    loop, seen = asyncio.get_running_loop(), Seen()
    server = await loop.create_server(lambda: _Protocol(manner, seen, keep=False), sock=bound)
    async with server:
        await loop.run_in_executor(None, _eof)


def _eof() -> None:
    # Not through sys.stdin: its lock, held by a waiting thread, aborts the interpreter when it exits.
    while os.read(0, 4096):
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve on a port of 127.0.0.1 until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m seekloop.serve.upstream.mock", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--first-ms", type=float, default=0.0)
    parser.add_argument("--pace-ms", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=7)
    given = parser.parse_args(arguments)
    manner = Manner(first_s=given.first_ms / 1000, pace_s=given.pace_ms / 1000, tokens=given.tokens)
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_forever(manner, port=given.port))
    return 0


def _fast_loop() -> Any:
    """uvloop's, where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
