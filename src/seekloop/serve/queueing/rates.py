"""Rates that are measured while the work goes on: how fast prompts are read, and how fast a queue drains."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["Rate", "Read", "Reading"]

_shortest_s = 1e-9
"""For what took no time that a clock can tell."""


class Rate:
    """An amount a second, newer observations counting more.

    Amounts and seconds are summed apart and forget alike, so that a rate is a ratio of sums: what comes in bursts is
    not told as its fastest moment.

    Args:
        memory: observations after which one has lost about two thirds of its weight.
    """

    def __init__(self, *, memory: int = 16) -> None:
        self._keep = 1 - 1 / memory
        self._amount = self._seconds = 0.0

    def add(self, amount: float, seconds: float) -> None:
        """Take in that `amount` was done in `seconds`."""
        self._amount = self._keep * self._amount + amount
        self._seconds = self._keep * self._seconds + max(seconds, 0.0)

    def per_s(self, *, pending_s: float = 0.0) -> float | None:
        """The rate; None: nothing was observed yet.

        Args:
            pending_s: seconds since the last observation in which nothing was done; they slow the rate.
        """
        if not self._amount:
            return None
        return self._amount / max(self._seconds + max(pending_s, 0.0), _shortest_s)


class Reading:
    """How fast an engine reads prompts, all of its streams together.

    Tokens of prompts whose first token came, over the time in which there was any prompt to read; the steps of answers
    in between count as well, because whoever waits has to wait for them too.
    """

    def __init__(self) -> None:
        self.tokens = 0
        """Of prompts that are being read now."""
        self._rate = Rate()
        self._since = 0.0

    @property
    def per_s(self) -> float | None:
        """Prompt tokens a second; None: no prompt was read yet."""
        return self._rate.per_s()

    @contextlib.contextmanager
    def of(self, tokens: int, *, now: float) -> Iterator[Read]:
        """A prompt of so many tokens goes to the engine; say `done` when the first token of its answer comes."""
        if not self.tokens:
            self._since = now
        read = Read(self, tokens)
        self.tokens += tokens
        try:
            yield read
        finally:
            read.over()

    def count(self, tokens: int, *, now: float) -> None:
        """So many tokens were read by now."""
        self.observe(tokens, now - self._since)
        self._since = now

    def observe(self, tokens: int, seconds: float) -> None:
        """So many tokens took so long."""
        self._rate.add(tokens, seconds)


class Read:
    """One prompt that is being read."""

    def __init__(self, reading: Reading, tokens: int) -> None:
        self._reading = reading
        self._tokens = tokens

    def done(self, now: float) -> None:
        """The first token behind it came; again is nothing new."""
        if self._tokens:
            self._reading.count(self._tokens, now=now)
            self.over()

    def over(self) -> None:
        """It is not being read any more, whatever came of it."""
        self._reading.tokens -= self._tokens
        self._tokens = 0
