"""Logs of calls to a chat API: request and response in OpenAI's form become the conversation that they were.

Bodies may be objects or JSON text (as nginx and gateways log them), inside an envelope (`{"body": …}`) or not; streamed
answers a list of chunks, or the event stream as one text. A call that failed, or whose answer was cut, is a row with
that reason, never an example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seekloop.data.read.values import parsed
from seekloop.system.errors import DataError

__all__ = ["Call", "columns", "looks_like", "read"]

_requests = ("request", "request_body", "req", "req_body", "input", "body", "prompt", "请求", "请求体")
_responses = ("response", "response_body", "resp", "resp_body", "output", "响应", "响应体", "返回")
_envelopes = ("body", "json", "data", "payload", "result")
_statuses = ("status", "status_code", "code")
_cut = ("length", "content_filter")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call."""

    messages: list[dict[str, Any]]
    """The turns that were sent."""
    answer: dict[str, Any] | None
    """The turn that came back; None: none did."""
    tools: list[dict[str, Any]] = field(default_factory=list)
    user: str | None = None
    """The end user that the request names."""
    dropped: str | None = None
    """`failed_call` or `cut_answer`; None: the answer is whole."""
    meta: dict[str, Any] = field(default_factory=dict)


def columns(samples: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The columns of request and response, as the parts `text` and `reply`; empty where the records are no calls."""
    names = dict.fromkeys(column for sample in samples for column in sample)
    by_name = {name.strip().lower(): name for name in reversed(names)}
    found = {}
    for part, known, is_body in (("text", _requests, _is_request), ("reply", _responses, _is_response)):
        for column in (by_name[name] for name in known if name in by_name):
            if any(is_body(_body(sample.get(column))) for sample in samples):
                found[part] = column
                break
    return found if len(found) == 2 else {}


def looks_like(parts: Mapping[str, str], samples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the recognised columns are those of a log of calls."""
    found = columns(samples)
    return bool(found) and found.items() <= parts.items()


def read(request: object, response: object, *, where: str) -> Call:
    """The conversation of one call.

    Raises:
        DataError: the request holds no messages and no prompt; `where` is named.
    """
    asked = _body(request)
    if not _is_request(asked):
        raise DataError("data.no_request", where=where)
    messages = asked.get("messages")
    if not isinstance(messages, list):
        messages = [{"role": "user", "content": asked["prompt"]}]
    answered = _merged(_chunks(response))
    answer, finish = _answer(answered)
    model = answered.get("model") or asked.get("model")
    return Call(
        messages=messages,
        answer=answer,
        tools=list(asked.get("tools") or ()),
        user=str(asked["user"]) if asked.get("user") else None,
        dropped="failed_call" if answer is None or _failed(response) else "cut_answer" if finish in _cut else None,
        meta={"model": str(model)} if model else {},
    )


def _body(value: object) -> dict[str, Any]:
    """The object that holds the call, out of JSON text and envelopes."""
    value = parsed(value)
    for _ in range(3):
        if not isinstance(value, dict) or _is_request(value) or _is_response(value):
            break
        value = next((parsed(value[name]) for name in _envelopes if name in value), None)
    return value if isinstance(value, dict) else _merged(_chunks(value))


def _is_request(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("messages"), list) or isinstance(value.get("prompt"), str)


def _is_response(value: Mapping[str, Any]) -> bool:
    return "choices" in value or "error" in value


def _failed(response: object) -> bool:
    """Whether an envelope says that the call failed."""
    envelope = parsed(response)
    statuses = [envelope[name] for name in _statuses if name in envelope] if isinstance(envelope, dict) else []
    return any(str(status).isdecimal() and int(status) >= 400 for status in statuses)


def _chunks(response: object) -> list[dict[str, Any]]:
    """The parts of an answer: one where it came whole, one a chunk where it was streamed."""
    value = parsed(response)
    if isinstance(value, dict) and not _is_response(value):
        inner = next((value[name] for name in _envelopes if name in value), None)
        return _chunks(inner) if inner is not None else []
    if isinstance(value, str):
        lines = (line.removeprefix("data:").strip() for line in value.splitlines() if line.startswith("data:"))
        value = [parsed(line) for line in lines if line and line != "[DONE]"]
    return (
        [chunk for chunk in value if isinstance(chunk, dict)]
        if isinstance(value, list)
        else ([value] if isinstance(value, dict) else [])
    )


def _merged(chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Streamed chunks as the answer that they are parts of."""
    if len(chunks) == 1 and "delta" not in _choice(chunks[0]):
        return chunks[0]
    error = next((chunk for chunk in chunks if "error" in chunk), None)
    if error is not None or not chunks:
        return error or {}
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    tools: dict[int, dict[str, Any]] = {}
    finish = None
    for choice in map(_choice, chunks):
        delta = choice.get("delta") or {}
        for name in ("content", "reasoning_content"):
            if delta.get(name):
                message[name] = message.get(name, "") + delta[name]
        for part in delta.get("tool_calls") or ():
            _add_call(tools, part)
        finish = choice.get("finish_reason") or finish
    if tools:
        message["tool_calls"] = [tools[index] for index in sorted(tools)]
    # A stream that ends without a reason was broken off.
    return {"model": chunks[0].get("model"), "choices": [{"message": message, "finish_reason": finish or "length"}]}


def _choice(chunk: Mapping[str, Any]) -> dict[str, Any]:
    choices = chunk.get("choices") or [{}]
    return next((choice for choice in choices if isinstance(choice, dict) and choice.get("index", 0) == 0), {})


def _add_call(tools: dict[int, dict[str, Any]], part: Mapping[str, Any]) -> None:
    """Put a part of a streamed tool call to what came of it before."""
    whole = tools.setdefault(part.get("index", 0), {"type": "function", "function": {"name": "", "arguments": ""}})
    whole.update({name: part[name] for name in ("id", "type") if part.get(name)})
    for name in ("name", "arguments"):
        whole["function"][name] += (part.get("function") or {}).get(name) or ""


def _answer(response: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """The assistant's turn and why it ended."""
    choice = _choice(response) if "choices" in response else {}
    message = choice.get("message")
    if message is None and isinstance(choice.get("text"), str):
        message = {"role": "assistant", "content": choice["text"]}
    finish = choice.get("finish_reason")
    if not isinstance(message, dict) or not (message.get("content") or message.get("tool_calls")):
        return None, finish
    return {"role": "assistant", **message}, finish
