"""Dates and times of day as they are written in the end, and the few rules that both languages share."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Reading",
    "Written",
    "coming",
    "date_of",
    "day_of_month",
    "gap",
    "month_end",
    "nearest",
    "weekday_of",
    "write",
]

Written = Literal["iso", "spaced"]
"""`iso`: 2026-11-23T15:00; `spaced`: 2026-11-23 15:00."""
_near_days = 60


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How dates are read and written."""

    at: dt.datetime | None = None
    """When the text was said, in local time; None: what depends on it stays as it is."""
    day_first: bool | None = None
    """Whether 3/5/2026 is the third of May; None: where both readings are possible it stays as it is."""
    written: Written = "iso"


def write(day: dt.date | None, time: dt.time | None, *, written: Written) -> str:
    """A date, a time of day or both in ISO 8601, to the minute, or to the second where there are any."""
    clock = "" if time is None else time.isoformat("seconds" if time.second else "minutes")
    if day is None:
        return clock
    if time is None:
        return day.isoformat()
    return f"{day.isoformat()}{'T' if written == 'iso' else ' '}{clock}"


def gap(text: str, end: int) -> str:
    """The space that keeps what is put before `end` apart from a digit or letter that follows: 今天68岁."""
    return " " if text[end : end + 1].isascii() and text[end : end + 1].isalnum() else ""


def date_of(year: int, *, month: int, day: int) -> dt.date | None:
    """The date, or None where the calendar has no such day."""
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def nearest(month: int, day: int, *, at: dt.datetime) -> dt.date | None:
    """The day without a year, where it lies within 60 days of `at`; None: which year is meant is not certain."""
    around = (date_of(at.year + shift, month=month, day=day) for shift in (-1, 0, 1))
    near = [one for one in around if one is not None and abs((one - at.date()).days) <= _near_days]
    return near[0] if len(near) == 1 else None


def month_end(at: dt.datetime, *, months: int) -> dt.date:
    """The last day of the month that is `months` after the one of `at`."""
    first = day_of_month(at, months=months, day=1)
    assert first is not None  # every month has a first day
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def day_of_month(at: dt.datetime, *, months: int, day: int) -> dt.date | None:
    """Day `day` of the month that is `months` after the one of `at`; None where it has no such day."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return date_of(year, month=month + 1, day=day)


def weekday_of(at: dt.datetime, *, weeks: int, weekday: int) -> dt.date:
    """Weekday 0 (Monday) to 6 of the week that is `weeks` after the one of `at`; weeks begin on Monday (ISO 8601)."""
    return at.date() + dt.timedelta(days=7 * weeks + weekday - at.weekday())


def coming(at: dt.datetime, *, weekday: int) -> dt.date | None:
    """The next weekday 0 (Monday) to 6 after `at`; None: it is today, and either may be meant."""
    days = (weekday - at.weekday()) % 7
    return at.date() + dt.timedelta(days=days) if days else None
