"""Answers in OpenAI's words: whole, and as server-sent events. Each one says which release it came from."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from seekloop.model.codec import Delta
from seekloop.serve.problems import of_error
from seekloop.serve.reply import Reply
from seekloop.system.errors import SeekloopError

__all__ = ["EventStream", "completion", "identity"]


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
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
    return _frame(reply, kind="chat.completion", model=model) | {"choices": [choice], "usage": _usage(reply)}


class EventStream(StreamingResponse):
    """An answer as server-sent events; a client that leaves cancels it.

    The last chunk and `[DONE]` are sent when the answer is durable. An error is an event with OpenAI's `error` in it;
    no `[DONE]` follows.

    Args:
        reply: the answer.
        model: as the request called it.
        include_usage: whether a chunk with the token counts, and no choices, comes last.
    """

    def __init__(self, reply: Reply, *, model: str, include_usage: bool) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **identity(reply)}
        super().__init__(
            _events(reply, model=model, include_usage=include_usage), media_type="text/event-stream", headers=headers
        )
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._reply.cancel()


async def _events(reply: Reply, *, model: str, include_usage: bool) -> AsyncIterator[bytes]:
    frame = _frame(reply, kind="chat.completion.chunk", model=model) | ({"usage": None} if include_usage else {})
    yield _event(frame | _choice({"role": "assistant", "content": ""}))
    try:
        async for delta in reply.deltas():
            yield _event(frame | _choice(_delta(delta)))
    except SeekloopError as error:
        yield _event({"id": reply.id, "system_fingerprint": reply.release, **of_error(error).body})
        return
    yield _event(frame | _choice({}, finish_reason=reply.finish_reason))
    if include_usage:
        yield _event(frame | {"choices": [], "usage": _usage(reply)})
    yield b"data: [DONE]\n\n"


def _frame(reply: Reply, *, kind: str, model: str) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": kind,
        "created": int(reply.created.timestamp()),
        "model": model,
        "system_fingerprint": reply.release,
    }


def _choice(delta: dict[str, Any], *, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}


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


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
