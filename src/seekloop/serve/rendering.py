"""Answers in OpenAI's words: whole, and as server-sent events. Each one says which release it came from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from seekloop.model.codec import Codec, Delta
from seekloop.runtime.generate.backend import Chance
from seekloop.serve.gone import watched
from seekloop.serve.problems import of_error
from seekloop.serve.replies import cached_tokens, cancel, deltas_of
from seekloop.serve.reply import Reply
from seekloop.system.errors import SeekloopError

__all__ = ["Choice", "EventStream", "answer_events", "completion", "events", "frame_of", "identity", "usage"]

_stream_headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


def identity(reply: Reply) -> dict[str, str]:
    """The headers that name the answer and the release that gave it."""
    named = {"x-seekloop-release": reply.release, "x-seekloop-answer": reply.id, "x-request-id": reply.id}
    return named if reply.look.word is None else {**named, "x-seekloop-cache": reply.look.word}


def completion(replies: Sequence[Reply], *, model: str) -> dict[str, Any]:
    """The body of whole answers, a choice each; of several, `choices[i].answer` is the id of each one's row."""
    choices = [_whole(reply, index) for index, reply in enumerate(replies)]
    if len(replies) > 1:
        choices = [choice | {"answer": reply.id} for choice, reply in zip(choices, replies, strict=True)]
    body = frame_of(replies[0], kind="chat.completion", model=model)
    return body | {"choices": choices, "usage": usage(replies)}


def _whole(reply: Reply, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.content, "refusal": None}
    if reply.reasoning:
        message |= _reasoning(reply.reasoning)
    if reply.tool_calls:
        message |= {"content": reply.content or None, "tool_calls": _calls(reply, reply.tool_calls)}
    return {
        "index": index,
        "message": message,
        "logprobs": reply.relayed.logprobs if reply.relayed and not reply.chances else _chances(reply, reply.chances),
        "finish_reason": reply.finish_reason,
    }


class EventStream(Response):
    """Answers as server-sent events; a client that leaves cancels them.

    Args:
        replies: the answers.
        events: of them.
    """

    def __init__(self, replies: Sequence[Reply], events: AsyncIterator[bytes]) -> None:
        super().__init__(headers={**_stream_headers, **identity(replies[0])})
        del self.headers["content-length"]
        self._replies = replies
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            with watched(receive, lambda: cancel(self._replies)):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for event in self._events:
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            cancel(self._replies)


def events(replies: Sequence[Reply], *, model: str, include_usage: bool) -> AsyncIterator[bytes]:
    """The events of chat answers, as `answer_events` orders them."""
    frame = frame_of(replies[0], kind="chat.completion.chunk", model=model)

    def choice(reply: Reply, delta: Delta, *, chances: Sequence[tuple[int, Chance]]) -> dict[str, Any]:
        return {"delta": _delta(reply, delta), "logprobs": _chances(reply, chances)}

    begin = {"delta": {"role": "assistant", "content": None}, "logprobs": None}
    return answer_events(replies, frame=frame, choice=choice, begin=begin, include_usage=include_usage)


class Choice(Protocol):
    """What a delta of a reply is in a route's words."""

    def __call__(self, reply: Reply, delta: Delta, *, chances: Sequence[tuple[int, Chance]]) -> dict[str, Any]:
        """A choice without its index; `chances` are those of the delta's ids."""


async def answer_events(
    replies: Sequence[Reply],
    *,
    frame: Mapping[str, Any],
    choice: Choice,
    begin: Mapping[str, Any] | None = None,
    include_usage: bool,
) -> AsyncIterator[bytes]:
    """Answers as server-sent events, a choice each.

    The last chunk of an answer is sent when that is durable, `[DONE]` when all are. An error is an event with OpenAI's
    `error` in it; no `[DONE]` follows.

    Args:
        replies: the answers.
        frame: what every chunk has.
        choice: what a delta is in this route's words.
        begin: the first choice; None: the stream begins with its text.
        include_usage: whether a chunk with the token counts, and no choices, comes last.
    """
    frame = {**frame, **({"usage": None} if include_usage else {})}
    seen = [0] * len(replies)
    if begin is not None:
        for index in range(len(replies)):
            yield _event(frame | _choice(index, begin))
    try:
        async with contextlib.aclosing(deltas_of(replies)) as deltas:
            async for index, delta in deltas:
                reply = replies[index]
                end = reply.told if delta is not None else len(reply.chances)
                chances, seen[index] = reply.chances[seen[index] : end], end
                said = choice(reply, delta or Delta(), chances=chances)
                if delta is None and reply.relayed is not None and reply.relayed.logprobs is not None:
                    # Which of them belong to which words only the upstream knows: all of them come with the end.
                    said = {**said, "logprobs": reply.relayed.logprobs}
                reason = None if delta is not None else reply.finish_reason
                yield _event(frame | _choice(index, said, finish_reason=reason))
    except SeekloopError as error:
        yield _event({"id": replies[0].id, "system_fingerprint": replies[0].release, **of_error(error).body})
        return
    if include_usage:
        yield _event(frame | {"choices": [], "usage": usage(replies)})
    yield b"data: [DONE]\n\n"


def frame_of(reply: Reply, *, kind: str, model: str) -> dict[str, Any]:
    """What every body and chunk of an answer has."""
    return {
        "id": reply.id,
        "object": kind,
        "created": int(reply.created.timestamp()),
        "model": model,
        "system_fingerprint": reply.release,
    }


def _choice(index: int, said: Mapping[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": index, **said, "finish_reason": finish_reason}]}


def _delta(reply: Reply, delta: Delta) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if delta.content:
        shown["content"] = delta.content
    if delta.reasoning:
        shown |= _reasoning(delta.reasoning)
    if delta.tool_calls:
        shown["tool_calls"] = [{"index": at, **call} for at, call in enumerate(_calls(reply, delta.tool_calls))]
    return shown


def _calls(reply: Reply, calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tool calls with ids, which clients send back with what the tool said."""
    return [{"id": f"call_{reply.id[-24:]}_{at}", **call} for at, call in enumerate(calls)]


def _chances(reply: Reply, chances: Sequence[tuple[int, Chance]]) -> dict[str, Any] | None:
    if not chances:
        return None
    return {"content": [_scored(reply.codec, id_, chance=chance) for id_, chance in chances], "refusal": None}


def _reasoning(text: str) -> dict[str, str]:
    # Clients read either name.
    return {"reasoning_content": text, "reasoning": text}


def _scored(codec: Codec, id_: int, *, chance: Chance) -> dict[str, Any]:
    likeliest = [_token(codec, each, logprob=logprob) for each, logprob in chance.top]
    return _token(codec, id_, logprob=chance.logprob) | {"top_logprobs": likeliest}


def _token(codec: Codec, id_: int, *, logprob: float) -> dict[str, Any]:
    return {"token": codec.decode([id_]), "logprob": logprob, "bytes": list(codec.token_bytes(id_))}


def usage(replies: Sequence[Reply]) -> dict[str, Any]:
    """The token counts of answers together; how many of the prompts' came from an upstream's cache, where it tells."""
    prompt = sum(reply.prompt_tokens for reply in replies)
    said = sum(reply.completion_tokens for reply in replies)
    counts = {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}
    cached = cached_tokens(replies)
    return counts if cached is None else {**counts, "prompt_tokens_details": {"cached_tokens": cached}}


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
