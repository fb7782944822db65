"""Time as something injected: a real clock, and one that tests set."""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Tells the date and measures durations."""

    def now(self) -> dt.datetime:
        """The date and time, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        """The date and time, in UTC."""
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) -> None:
        self._start = start
        self._elapsed = 0.0

    def now(self) -> dt.datetime:
        """The date and time, in UTC."""
        return self._start + dt.timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._elapsed += seconds
