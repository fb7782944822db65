"""Personal data of a request: consistent placeholders in its place, and back again for whoever sent it.

What stands for what is known to the request alone: nothing of it is kept when the request is over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.serve.safety.leaves import changed_json
from seekloop.text.pii import find
from seekloop.text.pii.fakes import canonical
from seekloop.text.pii.search import find_all

__all__ = ["Placeholders", "Restorer"]

_written = re.compile(r"\[[A-Z][A-Z0-9_]*_[0-9]+\]")
_open = re.compile(r"\[[A-Z0-9_]*$")


class Placeholders:
    """The placeholders of one request.

    Args:
        kinds: of personal data.
        allow: values that stay.
    """

    def __init__(self, kinds: Collection[str], allow: Collection[str]) -> None:
        self._kinds, self._allow = tuple(kinds), frozenset(allow)
        self._names: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._numbers: Counter[str] = Counter()
        self.values: dict[str, str] = {}
        """Placeholder -> the value, as it was first written."""

    @property
    def counts(self) -> dict[str, int]:
        """Different values found, by kind."""
        return dict(Counter(kind for kind, _ in self._names))

    def hide(self, messages: Sequence[Message]) -> list[Message]:
        """The messages with placeholders; those without personal data are the same objects."""
        for message in messages:
            if "[" in message.content:
                self._taken.update(_written.findall(message.content))
        return [self._hidden(message) for message in messages]

    def text(self, text: str) -> str:
        """A text with placeholders."""
        if not find(text, kinds=self._kinds):
            return text
        pieces: list[str] = []
        place = 0
        for one in find_all(text, kinds=self._kinds, allow=self._allow):
            pieces += (text[place : one.start], self._name(one.kind, text[one.start : one.end]))
            place = one.end
        return "".join((*pieces, text[place:]))

    def _hidden(self, message: Message) -> Message:
        content = self.text(message.content)
        reasoning = self.text(message.reasoning) if message.reasoning else message.reasoning
        calls = tuple(_with_arguments(call, self.text) for call in message.tool_calls)
        if content == message.content and reasoning == message.reasoning and calls == message.tool_calls:
            return message
        return message.model_copy(update={"content": content, "reasoning": reasoning, "tool_calls": calls})

    def _name(self, kind: str, value: str) -> str:
        key = (kind, canonical(kind, value))
        while key not in self._names:
            self._numbers[kind] += 1
            name = f"[{kind.upper()}_{self._numbers[kind]}]"
            # What the caller wrote like a placeholder must not be turned into a value.
            if name not in self._taken:
                self._names[key], self.values[name] = name, value
        return self._names[key]


class Restorer:
    """Puts values back into a text that comes in pieces; nothing of a placeholder goes out half.

    Args:
        values: placeholder -> value.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._held = ""

    def push(self, text: str) -> str:
        """What may go out now."""
        seen = self._held + text
        tail = _open.search(seen)
        keep = len(tail[0]) if tail and any(name.startswith(tail[0]) for name in self._values) else 0
        self._held = seen[len(seen) - keep :]
        return self._put(seen[: len(seen) - keep])

    def finish(self) -> str:
        """The rest."""
        rest, self._held = self._held, ""
        return rest

    def whole(self, text: str) -> str:
        """A whole text with its values."""
        return self._put(text)

    def _put(self, text: str) -> str:
        return _written.sub(lambda match: self._values.get(match[0], match[0]), text) if "[" in text else text


def _with_arguments(call: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    arguments = changed_json(str(function.get("arguments", "")), change)
    return (
        {**call, "function": {**function, "arguments": arguments}} if arguments != function.get("arguments") else call
    )
