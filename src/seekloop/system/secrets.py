"""Secrets by name: a spec says `${CRM_TOKEN}`, and only the moment of use sees the value.

So no secret is in a spec, its digest, the ledger or a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from seekloop.system import settings
from seekloop.system.errors import UsageError

__all__ = ["fill", "hide", "values"]

_reference = re.compile(r"\$\{(\w+)\}")
_shortest = 4


def fill(text: str) -> str:
    """`text` with the value of each `${NAME}` in its place.

    Raises:
        UsageError: the environment has no such variable; it is named.
    """
    return _reference.sub(lambda match: _value(match[1]), text)


def values(texts: Iterable[str]) -> tuple[str, ...]:
    """The values of all secrets that `texts` name, to be hidden from messages.

    Raises:
        UsageError: the environment has no such variable; it is named.
    """
    names = {name for text in texts for name in _reference.findall(text)}
    return tuple(_value(name) for name in sorted(names))


def hide(text: str, secrets: Iterable[str]) -> str:
    """`text` with every one of `secrets` as `***`; those of fewer than four characters are no secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if len(secret) >= _shortest else text
    return text


def _value(name: str) -> str:
    value = settings.secret(name)
    if value is None:
        raise UsageError("system.secret_missing", name=name)
    return value
