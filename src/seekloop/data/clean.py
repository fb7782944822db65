"""Clean a row: one written form for every text, and personal data masked, counted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from seekloop.artifact.rows import Message, Row
from seekloop.data.spec import CleanSpec
from seekloop.system import digests
from seekloop.text import pii
from seekloop.text.normalize import normalize

__all__ = ["clean"]


def clean(row: Row, spec: CleanSpec) -> tuple[Row, Counter[str]]:
    """The cleaned row and the personal data masked in it, by kind.

    Every text of the row is cleaned: turns, reasoning, arguments of tool calls, label, and what a dropped row keeps of
    its source line. The row's id stays. A subject that is itself personal data becomes a digest, so that the person's
    rows can still be found by it.
    """
    masked: Counter[str] = Counter()

    def text(value: str) -> str:
        value = normalize(value) if spec.normalise else value
        value, found = pii.mask(value, kinds=spec.pii.mask, allow=spec.pii.allow)
        masked.update(found)
        return value

    changed = {
        "messages": tuple(_message(message, text) for message in row.messages),
        "label": None if row.label is None else (normalize(row.label) if spec.normalise else row.label),
        "subject": None if row.subject is None else _subject(row.subject, spec),
        "meta": _mapped(row.meta, text),
    }
    return row.model_copy(update=changed), masked


def _message(message: Message, text: Callable[[str], str]) -> Message:
    return message.model_copy(
        update={
            "content": text(message.content),
            "reasoning": None if message.reasoning is None else text(message.reasoning),
            "tool_calls": tuple(_mapped(call, text) for call in message.tool_calls),
        }
    )


def _mapped(value: Any, text: Callable[[str], str]) -> Any:
    """A JSON value with `text` applied to every string in it, keys left as they are."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, text) for key, inner in value.items()}
    return [_mapped(inner, text) for inner in value] if isinstance(value, list | tuple) else value


def _subject(subject: str, spec: CleanSpec) -> str:
    if not pii.find(subject, kinds=spec.pii.mask):
        return subject
    return f"subject:{digests.of_json(subject).removeprefix('sha256:')[:16]}"
