"""What an answer depends on, as one digest: whatever is not known to be without effect is part of it."""

from __future__ import annotations

import dataclasses
import hashlib
from array import array
from collections.abc import Collection, Mapping, Sequence
from typing import Any

__all__ = ["key_of", "scope_of"]

_simple = frozenset({str, int, float, bool, type(None)})


def key_of(order: object, *, tenant: str, release: str, aside: Collection[str], also: Sequence[str] = ()) -> str:
    """Digest of tenant, release and every field of an order, in hex.

    A field that is added to an order or a prompt later is part of the key until somebody says that it has no effect.

    Args:
        order: what was asked: a dataclass, which may hold others.
        tenant: whose data it is.
        release: id of the release that answers.
        aside: fields without effect on the answer, or whose effect is in another field.
        also: what the answer depends on beside the order.
    """
    return _digest("key", tenant, release, _plain(also), order=order, aside=aside)


def scope_of(
    order: object, *, tenant: str, release: str, aside: Collection[str], also: Sequence[str] = (), before: Any
) -> str:
    """Digest of everything but the prompt's ids, with `before`, what was said before the last turn, in their place."""
    return _digest("scope", tenant, release, _plain(also), _plain(before), order=order, aside={*aside, "ids"})


def _digest(*texts: str, order: object, aside: Collection[str]) -> str:
    # Each part with its length, so that no two lists of parts are one text.
    parts = [f"{len(part)}:{part}" for part in (*texts, *_parts(order, aside))]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _parts(value: object, aside: Collection[str]) -> list[str]:
    """The fields by name: two of them may swap their values."""
    found: list[str] = []
    for name, inner in vars(value).items():
        if name in aside:
            continue
        found.append(name)
        kind = type(inner)
        if kind in _simple:
            found.append(repr(inner))
        elif kind is tuple and inner and type(inner[0]) is int:
            found.append(_numbers(inner))
        elif dataclasses.is_dataclass(inner):
            found += _parts(inner, aside)
        else:
            found.append(_plain(inner))
    return found


def _numbers(values: tuple[Any, ...]) -> str:
    try:
        return array("q", values).tobytes().hex()
    except (TypeError, OverflowError):
        return repr(values)


def _plain(value: Any) -> str:
    """A text that differs where values do; sets and mappings in one order, whichever they came in."""
    if type(value) in _simple:
        return repr(value)
    if isinstance(value, frozenset | set):
        return f"{{{','.join(sorted(_plain(item) for item in value))}}}"
    if isinstance(value, Mapping):
        return f"{{{','.join(sorted(f'{_plain(name)}:{_plain(item)}' for name, item in value.items()))}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(_plain(item) for item in value)}]"
    return repr(value)
