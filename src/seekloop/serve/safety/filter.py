"""Rules on a text that comes in pieces: nothing goes out that a match may yet reach back to.

What has gone out after some characters depends on these characters only, never on how they were cut into pieces; a
whole text is a stream of one piece. `design/safety.md` says why that is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.serve.safety.policy import Policies, Rule, Where
from seekloop.text.rules import Found, Scan

__all__ = ["Filter"]


@dataclass
class _Mask:
    start: int
    end: int
    text: str


class Filter:
    """One text on its way through the rules of one place.

    Args:
        policies: the rules.
        where: the place.
        enforce: whether rules block and redact; else they are only noted.
    """

    def __init__(self, policies: Policies, *, where: Where, enforce: bool) -> None:
        self._policies, self._where, self._enforce = policies, where, enforce
        self._scan = Scan(policies.machine(where))
        self._held = ""
        self._given = 0
        """Place in the text up to which it has gone out; what is held follows."""
        self._masks: list[_Mask] = []
        self.hits: dict[str, Rule] = {}
        """Rules that matched, by id, in the order in which they did."""
        self.blocked: Rule | None = None
        """The rule that ended the text."""

    @property
    def held(self) -> int:
        """Characters that are held back now."""
        return len(self._held)

    def push(self, text: str) -> str:
        """What may go out now; nothing more once it is `blocked`."""
        if self.blocked is not None:
            return ""
        self._held += text
        at = 0
        while (at := self._scan.skip(text, at)) < len(text):
            free = self._scan.open_from
            found = self._scan.feed(text[at])
            if found and self._is_blocked(found):
                return self._out(free)
            at += 1
        return self._out(self._scan.open_from)

    def finish(self) -> str:
        """The rest, at the end of the text."""
        if self.blocked is not None:
            return ""
        free = self._scan.open_from
        if self._is_blocked(self._scan.finish()):
            return self._out(free)
        return self._out(self._scan.open_from)

    def _is_blocked(self, found: Sequence[Found]) -> bool:
        """Take note of matches; whether one of them ends the text."""
        rules = [(self._policies.rule(self._where, one.rule), one) for one in found]
        self.hits.update((rule.id, rule) for rule, _ in rules if rule.id not in self.hits)
        if not self._enforce:
            return False
        self.blocked = next((rule for rule, _ in rules if rule.action == "block"), None)
        if self.blocked is None:
            for rule, one in rules:
                if rule.action == "redact":
                    self._cover(_Mask(one.start, one.end, f"[{rule.category.upper()}]"))
        return self.blocked is not None

    def _cover(self, mask: _Mask) -> None:
        """Add a mask; those that overlap become one, called as the one that begins first."""
        apart = [one for one in self._masks if one.end <= mask.start or one.start >= mask.end]
        joined = sorted([*(one for one in self._masks if one not in apart), mask], key=lambda one: one.start)
        whole = _Mask(joined[0].start, max(one.end for one in joined), joined[0].text)
        self._masks = sorted([*apart, whole], key=lambda one: one.start)

    def _out(self, free: int) -> str:
        """The text up to the place `free`, or up to a mask that may still grow."""
        end = min((one.start for one in self._masks if one.end > free), default=free)
        pieces: list[str] = []
        place = self._given
        for one in self._masks:
            if one.end <= end:
                pieces += (self._text(place, one.start), one.text)
                place = one.end
        pieces.append(self._text(place, end))
        self._masks = [one for one in self._masks if one.end > end]
        self._held, self._given = self._held[end - self._given :], end
        return "".join(pieces)

    def _text(self, start: int, end: int) -> str:
        return self._held[start - self._given : end - self._given]
