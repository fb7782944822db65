"""A text read character by character: which patterns end where, and from where on one may still be under way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from seekloop.text.rules.folds import kind_of
from seekloop.text.rules.machine import Machine

__all__ = ["Found", "Scan"]


@dataclass(frozen=True, slots=True)
class Found:
    """A match: `text[start:end]`."""

    rule: int
    start: int
    end: int


class Scan:
    """One text on its way through a machine. What it says depends on the characters so far, never on how they came.

    Args:
        machine: the patterns.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._state = machine.start
        self._read = 0
        self._word = False
        """Whether the symbol before was part of a word."""
        self._window: deque[tuple[str, int, bool]] = deque()
        """Symbols that a match may still hold: each with its character's place, and whether a word stood before it."""
        self._first = 0
        """Number of the window's first symbol."""
        self._followed: dict[int, dict[int, int]] = {}
        """Patterns that matched in this window, with where they stand: looked at once, then followed."""
        self.open_from = 0
        """No match that ends later begins before this place."""

    def feed(self, character: str) -> list[Found]:
        """Read one more character; the matches that it shows to have ended, longest form of each pattern first."""
        found: list[Found] = []
        for symbol in self._machine.alphabet[ord(character)]:
            self._state = self._state[symbol]
            is_word = kind_of(symbol) == "word"
            if self._state.hits:
                found += [self._found(rule, open_=not (self._word and is_word)) for rule in self._state.hits]
            self._take(symbol)
            self._word = is_word
        self._read += 1
        self.open_from = self._window[0][1] if self._window else self._read
        return found

    def finish(self) -> list[Found]:
        """The matches that end where the text does. Nothing is open any more."""
        found = [self._found(rule, open_=True) for rule in self._machine.ended(self._state)]
        self.open_from = self._read
        return found

    def _take(self, symbol: str) -> None:
        index = self._first + len(self._window)
        if not self._state.live:
            self._window.clear()
            self._followed.clear()
            self._first = index + 1
            return
        self._window.append((symbol, self._read, self._word))
        for rule, places in self._followed.items():
            self._followed[rule] = self._machine.followed(rule, places, symbol=symbol, index=index, word=self._word)
        if len(self._window) > self._machine.width:
            self._window.popleft()
            self._first += 1

    def _found(self, rule: int, *, open_: bool) -> Found:
        if rule not in self._followed:
            places: dict[int, int] = {}
            for index, (symbol, _, word) in enumerate(self._window, start=self._first):
                places = self._machine.followed(rule, places, symbol=symbol, index=index, word=word)
            self._followed[rule] = places
        first = self._machine.began(rule, self._followed[rule], open_=open_)
        return Found(rule, self._window[first - self._first][1], self._window[-1][1] + 1)
