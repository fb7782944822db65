"""Tool calls: OpenAI's form on our side, each family's wire form on the model's.

`hermes` (ChatML families): one JSON object between `<tool_call>` tags a call. `deepseek`: a block of control tokens
with the arguments in a fenced code block.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seekloop.artifact.rows import Message
from seekloop.system.errors import DataError

__all__ = ["Marked", "ToolCall", "ToolWire", "calls_of", "wire"]

Marked = Sequence[tuple[str, bool]]
"""A stretch of an answer: texts, each with whether it is a tag of the wire form."""


@dataclass(frozen=True)
class ToolCall:
    """One call of a function."""

    name: str
    arguments: str
    """JSON text."""

    def to_openai(self) -> dict[str, Any]:
        """As it stands in `Message.tool_calls`."""
        return {"type": "function", "function": {"name": self.name, "arguments": self.arguments}}


class ToolWire(Protocol):
    """How a family writes tool calls."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the form; the first one begins the calls, and ends the answer's text."""

    @property
    def gap(self) -> str:
        """Text between the answer's text, if there is any, and the calls."""

    def render(self, calls: Sequence[ToolCall]) -> Marked:
        """The calls as the model writes them."""

    def parse(self, marked: Marked) -> tuple[ToolCall, ...] | None:
        """The calls of a stretch that begins with the first tag; None: they are not in this form."""


class _Hermes:
    tags = ("<tool_call>", "</tool_call>")
    gap = "\n"

    def render(self, calls: Sequence[ToolCall]) -> Marked:
        begin, end = self.tags
        parts: list[tuple[str, bool]] = []
        for index, call in enumerate(calls):
            body = f'\n{{"name": "{call.name}", "arguments": {call.arguments}}}\n'
            parts += [("\n" if index else "", False), (begin, True), (body, False), (end, True)]
        return parts

    def parse(self, marked: Marked) -> tuple[ToolCall, ...] | None:
        begin, end = self.tags
        texts = [text for text, tag in marked if not tag]
        tags = [text for text, tag in marked if tag]
        bodies = [text for text in texts if text.strip()]
        if not bodies or tags != [begin, end] * len(bodies):
            return None
        calls: list[ToolCall] = []
        for body in bodies:
            try:
                value = json.loads(body)
            except ValueError:
                return None
            if not isinstance(value, dict) or not isinstance(value.get("name"), str) or "arguments" not in value:
                return None
            calls.append(ToolCall(value["name"], _canonical(value["arguments"])))
        return tuple(calls)


class _DeepSeek:
    tags = (
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁call▁end｜>",
        "<｜tool▁sep｜>",
    )
    gap = ""

    def render(self, calls: Sequence[ToolCall]) -> Marked:
        begin, end, call_begin, call_end, separator = self.tags
        parts = [(begin, True)]
        for index, call in enumerate(calls):
            body = f"{call.name}\n```json\n{call.arguments}\n```"
            parts += [("\n" if index else "", False), (call_begin, True), ("function", False), (separator, True)]
            parts += [(body, False), (call_end, True)]
        return [*parts, (end, True)]

    def parse(self, marked: Marked) -> tuple[ToolCall, ...] | None:
        begin, end, call_begin, call_end, separator = self.tags
        kept = [(text, tag) for text, tag in marked if tag or text.strip()]
        inner = kept[1:-1]
        size = 5
        if len(kept) < 2 + size or kept[0] != (begin, True) or kept[-1] != (end, True) or len(inner) % size:
            return None
        calls: list[ToolCall] = []
        for at in range(0, len(inner), size):
            opening, (_, kind_is_tag), middle, (body, body_is_tag), closing = inner[at : at + size]
            name, fence, rest = body.partition("\n```json\n")
            right = (opening, middle, closing) == ((call_begin, True), (separator, True), (call_end, True))
            if not right or kind_is_tag or body_is_tag or not fence or not rest.endswith("\n```"):
                return None
            calls.append(ToolCall(name, rest.removesuffix("\n```")))
        return tuple(calls)


_wires: dict[str, ToolWire] = {"hermes": _Hermes(), "deepseek": _DeepSeek()}


def wire(name: str | None) -> ToolWire | None:
    """The wire form called `name`; None for families without tool calls."""
    return None if name is None else _wires[name]


def calls_of(message: Message) -> tuple[ToolCall, ...]:
    """The calls of a message, their arguments as JSON text in its usual spacing.

    Arguments that are not JSON stay as they are: a model may have written them, and the client sent them back.

    Raises:
        DataError: a call has no function with a name.
    """
    calls: list[ToolCall] = []
    for value in message.tool_calls:
        function = value.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            raise DataError("model.bad_tool_call")
        calls.append(ToolCall(name, _canonical(function.get("arguments", {}))))
    return tuple(calls)


def _canonical(arguments: Any) -> str:
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return str(arguments)
    text = json.dumps(value, ensure_ascii=False)
    # Half a surrogate pair has no UTF-8 form; as an escape it has.
    return json.dumps(value) if any("\ud800" <= char <= "\udfff" for char in text) else text
