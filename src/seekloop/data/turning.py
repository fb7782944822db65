"""Turns of a row as others write them: OpenAI's and ShareGPT's, with reasoning between `<think>` and `</think>`."""

from __future__ import annotations

import json
from typing import Any

from seekloop.artifact.rows import Message

__all__ = ["as_openai", "as_sharegpt", "as_tagged", "as_turn", "json_line", "spoken"]

_froms = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
_roles = {name: role for role, name in _froms.items()}


def spoken(message: Message) -> str:
    """What the turn says, its reasoning before it."""
    return f"<think>\n{message.reasoning}\n</think>\n\n{message.content}" if message.reasoning else message.content


def as_turn(message: Message) -> dict[str, Any]:
    """In OpenAI's form: `{"role", "content", "tool_calls"?, "weight"?}`; weight 0 is a turn that is not trained."""
    turn: dict[str, Any] = {"role": message.role, "content": spoken(message)}
    if message.tool_calls:
        turn["tool_calls"] = list(message.tool_calls)
    return turn if message.train is not False else {**turn, "weight": 0}


def as_openai(message: Message) -> dict[str, Any]:
    """The same with `tool_calls` in every turn: readers that make a table of turns would else find none there."""
    return {**as_turn(message), "tool_calls": list(message.tool_calls)}


def as_tagged(message: Message) -> dict[str, Any]:
    """ShareGPT's form with OpenAI's names: `{"role", "content"}`, a call of tools being a turn of `function_call`.

    Only for turns that `as_sharegpt` has a form for.
    """
    turn = as_sharegpt(message)
    assert turn is not None  # the caller has looked
    return {"role": _roles.get(turn["from"], turn["from"]), "content": turn["value"]}


def as_sharegpt(message: Message) -> dict[str, str] | None:
    """In ShareGPT's form, `{"from", "value"}`; None where that form has no place for what the turn holds."""
    calls = [call.get("function", {}) for call in message.tool_calls]
    if message.train is False or any(set(call) - {"type", "function"} for call in message.tool_calls):
        return None
    if not calls:
        return {"from": _froms[message.role], "value": spoken(message)}
    if message.content or message.reasoning:
        return None
    value = [{"name": call.get("name"), "arguments": _arguments(call.get("arguments", "{}"))} for call in calls]
    return {"from": "function_call", "value": json.dumps(value[0] if len(value) == 1 else value, ensure_ascii=False)}


def json_line(value: Any) -> str:
    """A JSON value as one line."""
    return json.dumps(value, ensure_ascii=False) + "\n"


def _arguments(text: Any) -> Any:
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text
    return value if isinstance(value, dict) else text
