"""A clock that stands still until it is moved."""

from __future__ import annotations

import datetime as dt


class Clock:
    """Of the ledger's tests and desks."""

    def __init__(self) -> None:
        self.at = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def move(self, seconds: float) -> None:
        self.at += dt.timedelta(seconds=seconds)
