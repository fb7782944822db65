"""The texts inside JSON: tool-call arguments hide words behind escapes, so they are looked at as what they mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["changed_json", "texts_of"]


def texts_of(arguments: str) -> list[str]:
    """Every text, keys included, of JSON; of what is no JSON, itself."""
    try:
        return list(_texts(json.loads(arguments)))
    except (ValueError, RecursionError):
        return [arguments]


def changed_json(arguments: str, change: Callable[[str], str]) -> str:
    """JSON whose texts went through `change`; as it came where nothing changed, and as text where it is no JSON."""
    try:
        value = json.loads(arguments)
        new = _changed(value, change)
    except (ValueError, RecursionError):
        return change(arguments)
    return arguments if new == value else json.dumps(new, ensure_ascii=False)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from _texts(one)
        case dict():
            for key, one in value.items():
                yield key
                yield from _texts(one)
        case _:
            yield str(value)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case list():
            return [_changed(one, change) for one in value]
        case dict():
            return {change(key): _changed(one, change) for key, one in value.items()}
        case bool() | None:
            return value
        case int() | float():
            # A telephone number may come as a number.
            written = str(value)
            told = change(written)
            return value if told == written else told
        case _:
            return value
