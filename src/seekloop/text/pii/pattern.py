r"""One written form of a kind, and how its regular expression is built.

Boundaries are look-arounds on digits and ASCII letters. `\b` would not do: a Han character counts as a word character,
so there is no boundary between it and a digit. Most expressions begin with a set of characters, so that the engine
jumps from one possible beginning to the next; what must not stand before it is looked at after that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Pattern", "number", "regex"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One written form of a kind. Group 1 of `regex` is the value."""

    kind: str
    regex: re.Pattern[str]
    check: Callable[[str], bool] | None = None
    base: float = 0.9
    """Confidence of the form alone, 0 to 1."""
    context: re.Pattern[str] | None = None
    """Words that raise the confidence to 0.95."""
    digits: int = 0
    """A text with fewer digits than this has none."""
    needs: str = ""
    """Marks that a text must have for this: `@`, `=`, `:`, `.`, `+`, `(` for themselves, `a` for a letter A to Z, `-`
    for a dash, space, full stop, slash or bracket, `p` for a context word of telephones, `r` for one of a rare kind."""
    proven: bool = False
    """Check digits or form leave no doubt: a label such as `order no.` changes nothing."""


def regex(pattern: str) -> re.Pattern[str]:
    """Compiled, with digits and letters of ASCII only."""
    return re.compile(pattern, re.ASCII)


def number(first: str, rest: str, *, end: str = "(?![0-9A-Za-z])") -> re.Pattern[str]:
    """A number that begins with the set `first` and is no part of a longer number, a decimal or a word."""
    return regex(rf"({first}(?<![0-9A-Za-z].)(?<![0-9][.,].){rest}){end}")
