"""Conversations: lists of turns in ShareGPT's or OpenAI's form, with tool calls and recorded reasoning."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.data.read.stream import Role
from seekloop.system.errors import DataError

__all__ = ["ROLES", "assistant", "conversation", "tools_of"]

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(("user", "human", "customer", "client", "用户", "客户", "患者"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "agent", "chatgpt", "助手", "客服", "医生"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
}
"""What data sets call the speakers; `call` is an assistant turn that holds only a tool call, as JSON."""

_think = re.compile(r"\s*<think>\n?(.*?)\n?</think>\s*", re.DOTALL)


def assistant(content: str, *, reasoning: str | None = None, train: bool | None = None) -> Message:
    """An assistant turn; reasoning that stands between `<think>` and `</think>` before the answer is taken out."""
    found = _think.match(content)
    if found and reasoning is None:
        content, reasoning = content[found.end() :], found[1].strip() or None
    return Message(role="assistant", content=content, reasoning=reasoning, train=train)


def conversation(
    value: object, *, names: Mapping[str, Role], keys: tuple[str, str] | None, where: str
) -> list[Message]:
    """The turns of a conversation.

    Args:
        value: a list of turns, each with a speaker and a content.
        names: what the source calls the speakers, beside `ROLES`.
        keys: names of the speaker's and the content's key; None: `from` and `value`, or `role` and `content`.
        where: file and line, for errors.

    Raises:
        DataError: no list of turns, an unknown speaker, a turn that is not text, or a tool call that is no JSON.
    """
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise DataError("data.no_turns", where=where)
    return [_turn(turn, names=names, keys=keys or _keys(turn), where=where) for turn in value]


def tools_of(value: object, *, where: str) -> tuple[dict[str, Any], ...]:
    """Tool schemas, from a list or its JSON text; none where the value is empty.

    Raises:
        DataError: neither.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError as error:
            raise DataError("data.bad_tools", where=where) from error
    value = [value] if isinstance(value, dict) else value or []
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise DataError("data.bad_tools", where=where)
    return tuple(value)


def _keys(turn: Mapping[str, Any]) -> tuple[str, str]:
    return ("from", "value") if "from" in turn else ("role", "content")


def _turn(turn: Mapping[str, Any], *, names: Mapping[str, Role], keys: tuple[str, str], where: str) -> Message:
    speaker, content = turn.get(keys[0]), _text(turn.get(keys[1]), where)
    role = names.get(str(speaker)) or ROLES.get(str(speaker).strip().lower())
    if role is None:
        raise DataError("data.unknown_role", role=speaker, known=", ".join(ROLES), where=where)
    if role == "call":
        return Message(role="assistant", tool_calls=_calls(content, where), train=_trained(turn))
    if role != "assistant":
        return Message(role=role, content=content)
    reasoning = next(
        (str(turn[name]) for name in ("reasoning_content", "reasoning", "thinking") if turn.get(name)), None
    )
    message = assistant(content, reasoning=reasoning, train=_trained(turn))
    calls = turn.get("tool_calls")
    return message.model_copy(update={"tool_calls": tools_of(calls, where=where)}) if calls else message


def _trained(turn: Mapping[str, Any]) -> bool | None:
    """False where the turn says that it is not trained: `train`, `loss` or `weight` is false or 0."""
    return False if any(name in turn and not turn[name] for name in ("train", "loss", "weight")) else None


def _text(value: object, where: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    parts = [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
    if isinstance(value, list) and len(parts) == len(value) and all(part.get("type") == "text" for part in parts):
        return "".join(str(part.get("text", "")) for part in parts)
    raise DataError("data.not_text", kind=type(value).__name__, where=where)


def _calls(content: str, where: str) -> tuple[dict[str, Any], ...]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise DataError("data.bad_tool_call", where=where) from error
    calls = value if isinstance(value, list) else [value]
    if not calls or not all(isinstance(call, dict) and "name" in call for call in calls):
        raise DataError("data.bad_tool_call", where=where)
    return tuple({"type": "function", "function": {"name": c["name"], "arguments": _arguments(c)}} for c in calls)


def _arguments(call: Mapping[str, Any]) -> str:
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
