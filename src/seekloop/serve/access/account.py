"""What one key has used and still holds, and whether one more request fits: whole numbers, no clock, no database.

The rate is the generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time, stands for a
bucket of `requests` that refills evenly. Budgets are reserved before an answer, at the most that it can use, and
settled after it, so what is used never passes the limit.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from seekloop.artifact.usage import Usage
from seekloop.serve.limits import Limits

__all__ = ["SECOND", "Account", "Bucket", "Counts", "Refusal", "Window"]

SECOND = 1_000_000_000
"""Times are whole nanoseconds since 1970."""
_days_kept = 62


class Bucket:
    """A bucket that holds `requests` and refills with as many in `per_s` seconds."""

    def __init__(self, *, requests: int, per_s: int) -> None:
        self.size = requests
        self.interval = -(-per_s * SECOND // requests)
        self.tat = 0
        """Theoretical arrival time: from then on the bucket is full."""

    def left(self, now: int) -> int:
        """Requests that may come now."""
        return max(0, (self.size * self.interval - max(0, self.tat - now)) // self.interval)

    def wait(self, now: int) -> int:
        """Nanoseconds until one may come; 0: now."""
        return max(0, self.tat - now - (self.size - 1) * self.interval)

    def take(self, now: int, count: int = 1) -> None:
        """Count requests that came, whether or not there was room."""
        self.tat = max(self.tat, now) + count * self.interval


@dataclass
class Counts:
    """What was used on a day."""

    requests: int = 0
    tokens: int = 0
    cost: int = 0
    held_tokens: int = 0
    held_cost: int = 0


@dataclass(frozen=True)
class Window:
    """A budget as it stands."""

    name: str
    """`tokens_day`, `tokens_month`, `cost_day` or `cost_month`."""
    limit: int
    left: int
    reset_s: float
    """Seconds until it begins anew."""


@dataclass(frozen=True)
class Refusal:
    """Why a request does not fit."""

    what: str
    """`rate`, or a budget's name."""
    limit: int
    left: int
    need: int
    retry_s: float
    """Seconds until it is worth trying again."""


class Account:
    """What one key has used, in this process and in others.

    Args:
        limits: of the key.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bucket = Bucket(requests=limits.requests, per_s=limits.per_s) if limits.requests else None
        self.own: dict[str, Counts] = {}
        """Day -> what this process let it use."""
        self._others: dict[str, Counts] = {}
        self._others_requests = 0

    @property
    def holding(self) -> list[str]:
        """Days whose answers are still under way."""
        return [day for day, counts in self.own.items() if counts.held_tokens or counts.held_cost]

    def take(self, now: dt.datetime, *, tokens: int, cost: int) -> Refusal | None:
        """Count a request and hold the most that it can use; where it does not fit, nothing is counted."""
        moment, day = _nanoseconds(now), _day(now)
        bucket = self.bucket
        if bucket is not None and (wait := bucket.wait(moment)):
            return Refusal("rate", bucket.size, 0, 1, wait / SECOND)
        for window in self.windows(now):
            need = tokens if window.name.startswith("tokens") else cost
            if need > window.left:
                return Refusal(window.name, window.limit, window.left, need, window.reset_s)
        if bucket is not None:
            bucket.take(moment)
        counts = self.own.setdefault(day, Counts())
        counts.requests += 1
        counts.held_tokens += tokens
        counts.held_cost += cost
        return None

    def settle(self, day: str, *, held: tuple[int, int], used: tuple[int, int]) -> None:
        """Put what was used in place of what was held since `day`; both are (tokens, cost)."""
        counts = self.own[day]
        counts.held_tokens -= held[0]
        counts.held_cost -= held[1]
        counts.tokens += used[0]
        counts.cost += used[1]

    def windows(self, now: dt.datetime) -> list[Window]:
        """Every budget as it stands, tokens before money, days before months."""
        limits = self.limits
        day = _day(now)
        midnight, first = _resets(now)
        found = []
        for name, limit, period, reset in (
            ("tokens_day", limits.tokens_day, day, midnight),
            ("tokens_month", limits.tokens_month, day[:7], first),
            ("cost_day", limits.cost_day, day, midnight),
            ("cost_month", limits.cost_month, day[:7], first),
        ):
            if limit is not None:
                used = self._used(period, tokens=name.startswith("tokens"))
                found.append(Window(name, limit, max(0, limit - used), reset))
        return found

    def restore(self, rows: Iterable[Usage], *, process: str, fresh: int) -> None:
        """Begin from what the table says: rows of `process` are our own, the rate stands where the last one left it."""
        rows = list(rows)
        for row in rows:
            if row.process == process:
                self.own[row.day] = Counts(row.requests, row.tokens, row.cost)
        self._take_over(rows, process=process, fresh=fresh)
        if self.bucket is not None:
            self.bucket.tat = max((row.tat for row in rows), default=0)

    def merge(self, rows: Iterable[Usage], *, process: str, now: dt.datetime, fresh: int) -> None:
        """Take over what other processes let it use meanwhile.

        Args:
            rows: of the table, this month's.
            process: whose rows are our own.
            now: when.
            fresh: what a process holds counts only in rows written since then, in nanoseconds since 1970.
        """
        before = self._others_requests
        self._take_over(list(rows), process=process, fresh=fresh)
        if self.bucket is not None and self._others_requests > before:
            self.bucket.take(_nanoseconds(now), self._others_requests - before)
        for day in sorted(self.own)[:-_days_kept]:
            del self.own[day]

    def row(self, day: str, *, key: str, process: str, now: dt.datetime) -> Usage:
        """What this process let it use on a day, for the table."""
        counts = self.own[day]
        return Usage(
            key=key,
            day=day,
            process=process,
            requests=counts.requests,
            tokens=counts.tokens,
            cost=counts.cost,
            held_tokens=counts.held_tokens,
            held_cost=counts.held_cost,
            tat=self.bucket.tat if self.bucket else 0,
            at=_nanoseconds(now),
        )

    def _take_over(self, rows: list[Usage], *, process: str, fresh: int) -> None:
        self._others = {}
        for row in rows:
            if row.process != process:
                counts = self._others.setdefault(row.day, Counts())
                counts.requests += row.requests
                counts.tokens += row.tokens + (row.held_tokens if row.at >= fresh else 0)
                counts.cost += row.cost + (row.held_cost if row.at >= fresh else 0)
        self._others_requests = sum(counts.requests for counts in self._others.values())

    def _used(self, period: str, *, tokens: bool) -> int:
        total = 0
        for days in (self.own, self._others):
            for day, counts in days.items():
                if day.startswith(period):
                    total += counts.tokens + counts.held_tokens if tokens else counts.cost + counts.held_cost
        return total


def _day(now: dt.datetime) -> str:
    return now.date().isoformat()


def _nanoseconds(now: dt.datetime) -> int:
    return round(now.timestamp() * 1_000_000) * 1000


def _resets(now: dt.datetime) -> tuple[float, float]:
    """Seconds until the day, and until the month, begins anew."""
    passed = now.hour * 3600 + now.minute * 60 + now.second + now.microsecond / 1e6
    days = calendar.monthrange(now.year, now.month)[1] - now.day
    return 86_400 - passed, 86_400 * (days + 1) - passed
