"""All patterns in order of precedence, and those that a text can hold at all."""

from __future__ import annotations

import functools
import re

from seekloop.text.pii.network import ADDRESSES, SECRETS
from seekloop.text.pii.numbers import DOCUMENTS, NUMBERS, RARE
from seekloop.text.pii.pattern import Pattern
from seekloop.text.pii.phones import CALLED, PHONES

__all__ = ["PATTERNS", "marks", "possible"]

PATTERNS: tuple[Pattern, ...] = (*SECRETS, *NUMBERS, *ADDRESSES, *DOCUMENTS, *PHONES)
"""In order of precedence: what one pattern has found is taken for those below it."""
_letter = re.compile("[A-Za-z]")
_separator = re.compile("[-+ ./()]")
_most = max(pattern.digits for pattern in PATTERNS)


def marks(view: str, low: str) -> str:
    """Which marks of `Pattern.needs` a text has."""
    found = "".join(mark for mark in "@=:.+(" if mark in view)
    found += "a" if _letter.search(view) else ""
    found += "-" if _separator.search(view) else ""
    found += "p" if CALLED.search(low) else ""
    return found + "r" if RARE.search(low) else found


def possible(digits: int, found: str) -> tuple[Pattern, ...]:
    """The patterns that a text with so many digits and these marks can hold, in order."""
    return _possible(min(digits, _most), found)


@functools.lru_cache(maxsize=4096)
def _possible(digits: int, found: str) -> tuple[Pattern, ...]:
    return tuple(one for one in PATTERNS if one.digits <= digits and set(one.needs) <= set(found))
