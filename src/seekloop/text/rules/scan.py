"""A text read character by character: which patterns end where, and from where on one may still be under way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

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
        self._window: deque[tuple[str, int, bool]] = deque()
        """Symbols that a match may still hold: each with its character's place, and whether a word stood before it."""
        self._first = 0
        """Number of the window's first symbol."""
        self._followed: dict[int, dict[int, int]] = {}
        """Patterns that matched in this window, with where they stand: looked at once, then followed."""
        self.open_from = 0
        """No match that ends later begins before this place."""

    def skip(self, text: str, at: int) -> int:
        """Read characters from place `at` of `text` on; where the first stands that `feed` has to read: it may show one
        to have ended. What most texts are made of: no call and no look at a match for each of their characters."""
        state, window, read, alphabet = self._state, self._window, self._read, self._machine.alphabet
        end = at if self._followed else len(text)
        while at < end:
            symbol = alphabet[ord(text[at])]
            if len(symbol) != 1:
                break
            reached = state[symbol]
            if reached.hits:
                break
            if reached.live:
                window.append((symbol, read, state.word))
                if len(window) > self._machine.width:
                    window.popleft()
                    self._first += 1
            else:
                self._first += len(window) + 1
                window.clear()
            state, read, at = reached, read + 1, at + 1
        self._state, self._read = state, read
        self.open_from = window[0][1] if window else read
        return at

    def feed(self, character: str) -> list[Found]:
        """Read one more character; the matches that it shows to have ended, longest form of each pattern first."""
        found: list[Found] = []
        for symbol in self._machine.alphabet[ord(character)]:
            word = self._state.word
            self._state = self._state[symbol]
            if self._state.hits:
                found += [self._found(rule, open_=not (word and self._state.word)) for rule in self._state.hits]
            self._take(symbol, word=word)
        self._read += 1
        self.open_from = self._window[0][1] if self._window else self._read
        return found

    def finish(self) -> list[Found]:
        """The matches that end where the text does. Nothing is open any more."""
        found = [self._found(rule, open_=True) for rule in self._machine.ended(self._state)]
        self.open_from = self._read
        return found

    def _take(self, symbol: str, *, word: bool) -> None:
        index = self._first + len(self._window)
        if not self._state.live:
            self._window.clear()
            self._followed.clear()
            self._first = index + 1
            return
        self._window.append((symbol, self._read, word))
        for rule, places in self._followed.items():
            self._followed[rule] = self._machine.followed(rule, places, symbol=symbol, index=index, word=word)
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
