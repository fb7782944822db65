"""Answers in OpenAI's words: whole, and as server-sent events. Each one says which release it came from."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from seekloop.model.codec import Codec, Delta
from seekloop.runtime.generate.backend import Chance
from seekloop.serve.problems import of_error
from seekloop.serve.reply import Reply
from seekloop.system.errors import SeekloopError

__all__ = ["EventStream", "answer_events", "completion", "events", "frame_of", "identity", "usage"]


def identity(reply: Reply) -> dict[str, str]:
    """The headers that name the answer and the release that gave it."""
    return {"x-seekloop-release": reply.release, "x-seekloop-answer": reply.id, "x-request-id": reply.id}


def completion(reply: Reply, *, model: str) -> dict[str, Any]:
    """The body of a whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.content, "refusal": None}
    if reply.reasoning:
        message |= _reasoning(reply.reasoning)
    if reply.tool_calls:
        message |= {"content": reply.content or None, "tool_calls": list(reply.tool_calls)}
    told = {"content": [_scored(reply.codec, id_, chance=chance) for id_, chance in reply.chances], "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": told if reply.chances else None,
        "finish_reason": reply.finish_reason,
    }
    return frame_of(reply, kind="chat.completion", model=model) | {"choices": [choice], "usage": usage([reply])}


class EventStream(StreamingResponse):
    """An answer as server-sent events; a client that leaves cancels it.

    Args:
        reply: the answer.
        events: of it.
    """

    def __init__(self, reply: Reply, events: AsyncIterator[bytes]) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **identity(reply)}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._reply.cancel()


def events(reply: Reply, *, model: str, include_usage: bool) -> AsyncIterator[bytes]:
    """The events of a chat answer, as `answer_events` orders them."""
    frame = frame_of(reply, kind="chat.completion.chunk", model=model)

    def choice(delta: Delta) -> dict[str, Any]:
        return {"delta": _delta(delta)}

    begin = {"delta": {"role": "assistant", "content": ""}}
    return answer_events(reply, frame=frame, choice=choice, begin=begin, include_usage=include_usage)


async def answer_events(
    reply: Reply,
    *,
    frame: Mapping[str, Any],
    choice: Callable[[Delta], dict[str, Any]],
    begin: Mapping[str, Any] | None = None,
    include_usage: bool,
) -> AsyncIterator[bytes]:
    """An answer as server-sent events.

    The last chunk and `[DONE]` are sent when the answer is durable. An error is an event with OpenAI's `error` in it;
    no `[DONE]` follows.

    Args:
        reply: the answer.
        frame: what every chunk has.
        choice: what a delta is in this route's words.
        begin: the first choice; None: the stream begins with its text.
        include_usage: whether a chunk with the token counts, and no choices, comes last.
    """
    frame = {**frame, **({"usage": None} if include_usage else {})}
    if begin is not None:
        yield _event(frame | _choice(begin))
    try:
        async for delta in reply.deltas():
            yield _event(frame | _choice(choice(delta)))
    except SeekloopError as error:
        yield _event({"id": reply.id, "system_fingerprint": reply.release, **of_error(error).body})
        return
    yield _event(frame | _choice(choice(Delta()), finish_reason=reply.finish_reason))
    if include_usage:
        yield _event(frame | {"choices": [], "usage": usage([reply])})
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


def _choice(said: Mapping[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, **said, "logprobs": None, "finish_reason": finish_reason}]}


def _delta(delta: Delta) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if delta.content:
        shown["content"] = delta.content
    if delta.reasoning:
        shown |= _reasoning(delta.reasoning)
    if delta.tool_calls:
        shown["tool_calls"] = [{"index": index, **call} for index, call in enumerate(delta.tool_calls)]
    return shown


def _reasoning(text: str) -> dict[str, str]:
    # Clients read either name.
    return {"reasoning_content": text, "reasoning": text}


def _scored(codec: Codec, id_: int, *, chance: Chance) -> dict[str, Any]:
    likeliest = [_token(codec, each, logprob=logprob) for each, logprob in chance.top]
    return _token(codec, id_, logprob=chance.logprob) | {"top_logprobs": likeliest}


def _token(codec: Codec, id_: int, *, logprob: float) -> dict[str, Any]:
    return {"token": codec.decode([id_]), "logprob": logprob, "bytes": list(codec.token_bytes(id_))}


def usage(replies: Sequence[Reply]) -> dict[str, int]:
    """The token counts of answers together."""
    prompt = sum(reply.prompt_tokens for reply in replies)
    said = sum(reply.completion_tokens for reply in replies)
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
