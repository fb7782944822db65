"""Sentences of a text that comes in pieces, cut at the same places however it comes.

What looks at a sentence (a classifier, the search for personal data) is given the same sentences of a stream as of a
whole text. A sentence without an end is cut where no number can be cut; one that never pauses, wherever it is.
"""

from __future__ import annotations

__all__ = ["Sentences"]

_ends, _ends_before_space, _pauses = frozenset("。！？；\n"), frozenset(".!?;:"), frozenset("，,、")
_long, _longest = 240, 2_000


class Sentences:
    """Gives out whole sentences."""

    def __init__(self) -> None:
        self._open = ""

    @property
    def held(self) -> int:
        """Characters that are held back now."""
        return len(self._open)

    def push(self, text: str) -> list[str]:
        """The sentences that are complete now."""
        whole: list[str] = []
        begin, before, seen = 0, self._open[-1:], len(self._open)
        for place, one in enumerate(text):
            character = one
            if _is_end(character, before, length=seen + place + 1 - begin):
                whole.append(self._open + text[begin : place + 1])
                self._open, begin, seen, character = "", place + 1, 0, ""
            before = character
        self._open += text[begin:]
        return whole

    def finish(self) -> list[str]:
        """What is left, as the last sentence."""
        rest, self._open = self._open, ""
        return [rest] if rest else []


def _is_end(character: str, before: str, *, length: int) -> bool:
    if character in _ends or (character.isspace() and before in _ends_before_space):
        return True
    if length < _long:
        return False
    if (character.isspace() or character in _pauses) and not before.isdigit():
        return True
    return length >= _longest
