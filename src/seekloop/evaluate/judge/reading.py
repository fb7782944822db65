"""What a judge answered: a whole number a dimension, or which answer is better, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seekloop.evaluate.human.desk import CHOICES
from seekloop.evaluate.human.spec import HIGHEST
from seekloop.runtime.endpoint.queue import Kept
from seekloop.runtime.endpoint.reading import is_refusal, objects, without_thought

__all__ = ["Invalid", "Read", "read"]


@dataclass(frozen=True, kw_only=True)
class Read:
    """A verdict that can be counted."""

    values: Mapping[str, int] = field(default_factory=dict)
    choice: str | None = None
    """`1`, `2` or `tie`, as the answers were shown."""
    repaired: bool = False
    """Whether the answer held more than the object."""


@dataclass(frozen=True, kw_only=True)
class Invalid:
    """Why an answer cannot be counted."""

    reason: str
    """`refused`, `no_json`, `bad_value` or `cut_short`."""
    problem: str
    """For the judge, and for people."""


def read(kept: Kept, names: Sequence[str]) -> Read | Invalid:
    """The verdict in an answer.

    Args:
        kept: what the endpoint answered.
        names: the dimensions that it had to rate; empty: it had to choose.
    """
    if kept.rejected or kept.finish == "content_filter":
        return Invalid(reason="refused", problem=kept.rejected or "content filter")
    bare = without_thought(kept.text)
    found = [value for value, outermost in objects(bare) if outermost]
    if not found:
        if is_refusal(bare):
            return Invalid(reason="refused", problem=bare[:200])
        if kept.finish == "length":
            return Invalid(reason="cut_short", problem="the answer was cut at the limit of tokens")
        return Invalid(reason="no_json", problem="the answer holds no JSON object that can be read")
    checked = _values(found[0], names) if names else _choice(found[0])
    if isinstance(checked, str):
        return Invalid(reason="bad_value", problem=checked)
    values, choice = checked
    return Read(values=values, choice=choice, repaired=not _is_bare(bare))


def _values(value: Mapping[str, Any], names: Sequence[str]) -> tuple[dict[str, int], None] | str:
    for name in names:
        given = value.get(name)
        if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= HIGHEST:
            return f"{name} is {json.dumps(given, ensure_ascii=False)[:40]}, not a whole number from 0 to {HIGHEST}"
    return {name: value[name] for name in names}, None


def _choice(value: Mapping[str, Any]) -> tuple[dict[str, int], str] | str:
    given = value.get("better")
    text = str(given).strip().lower() if isinstance(given, str | int) and not isinstance(given, bool) else ""
    return ({}, text) if text in CHOICES else f"better is {json.dumps(given)[:40]}, not 1, 2 or tie"


def _is_bare(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
