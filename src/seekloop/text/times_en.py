"""Dates and times in English text to ISO 8601, where the reading is certain: `3pm tomorrow`, once its day is known."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter

from seekloop.text.moments import Reading, coming, date_of, gap, month_end, nearest, weekday_of, write
from seekloop.text.numerals_en import parse
from seekloop.text.protect import Patterns, rewrite

__all__ = ["resolve"]

_month_names = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_month = "|".join(f"{name[:3]}(?:{name[3:]})?" if name != "may" else "may" for name in _month_names) + "|sept"
_weekdays = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_weekday = "|".join(_weekdays)
_count = r"(?:\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|twenty|thirty)"
_d = r"\d{1,2}(?:st|nd|rd|th)?"
_named = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1}
_named |= {"the day after tomorrow": 2, "day after tomorrow": 2}
_named |= {"the day before yesterday": -2, "day before yesterday": -2}
_forms = (
    rf"(?:{_month})\.?\s+{_d}(?:,?\s+\d{{4}})?(?![\d:])",
    rf"(?:the\s+)?{_d}\s+(?:of\s+)?(?:{_month})\.?(?:,?\s+\d{{4}})?(?![\d:])",
    r"\d{1,2}(?P<mark>[/.-])\d{1,2}(?P=mark)(?:19|20)\d\d(?![\d])",
    "|".join(sorted(_named, key=len, reverse=True)),
    rf"(?:next|last|this|this\s+coming|this\s+past)\s+(?:{_weekday})",
    rf"{_count}\s+days\s+(?:ago|from\s+now|from\s+today)",
    rf"(?<=\bby )(?:{_weekday})(?!\s+(?:morning|afternoon|evening|night|noon|and|or))",
    rf"(?<=\buntil )(?:{_weekday})(?!\s+(?:morning|afternoon|evening|night|and|or))",
    rf"(?<=\bbefore )(?:{_weekday})(?!\s+(?:morning|afternoon|evening|night|and|or))",
    r"the\s+end\s+of\s+(?:this|next|last)\s+month",
)
_date = f"(?:{'|'.join(_forms)})"
_date2 = _date.replace("(?P<mark>", "(?P<mark2>").replace("(?P=mark)", "(?P=mark2)")
_hour = "(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\\d{1,2})"
_half_day = (
    rf"{_hour}(?:[:.][0-5]\d)?\s*(?:a\.m\.?|p\.m\.?|am|pm)"
    rf"|{_hour}\s+o['’]clock\s+in\s+the\s+(?:morning|afternoon|evening)"
)
_dated_clock = rf"(?:{_half_day}|\d{{1,2}}:[0-5]\d(?::[0-5]\d)?|noon)"
_end = r"(?![\w'’]|-\w|[/.,]\d)"
_moment = re.compile(
    rf"(?<![\w/.,'’+-])(?:(?P<date>{_date})(?:,?\s+(?:at\s+|@\s*)?(?P<time>{_dated_clock}))?"
    rf"|(?P<clock>{_dated_clock}),?\s+(?:on\s+)?(?P<day>{_date2})"
    rf"|(?P<alone>{_half_day})){_end}",
    re.IGNORECASE,
)
_ahead = re.compile(
    (
        r"\b(?:needs?|must|should|will|can|could|please|have to|has to|wants?|like|send|deliver|ship|due|expect|finish|"
        r"pay|reply|respond|let)\b"
    ),
    re.IGNORECASE,
)
_behind = re.compile(
    r"\b(?:every|each|always|usually|\w+ed|sent|came|got|was|were|had|did|went|paid|said)\b", re.IGNORECASE
)
_open_range = re.compile(r"(?<![\d/.:-])\d{1,2}\s*(?:-|–|—|to|and|or)\s*$", re.IGNORECASE)
_vague = re.compile(r",?\s+(?:at\s+)?\d{1,2}(?!\d|[/.,-]\d|\s*(?:days|%))\b|\s*(?:-|–|—|to)\s*\d", re.IGNORECASE)


def resolve(text: str, reading: Reading, *, keep: Patterns = ()) -> tuple[str, Counter[str]]:
    """`text` with its dates and times in ISO 8601, and how many of each kind there were.

    `next Friday` is a date only where the Friday to come is also the Friday of the next week: people mean either.
    """
    counts: Counter[str] = Counter()

    def edit(match: re.Match[str]) -> str | None:
        if _open_range.search(match.string[max(0, match.start() - 16) : match.start()]):
            return None
        if (match["date"] or "").lower() in _weekdays and not _is_to_come(match.string[: match.start()]):
            return None
        said, clock = match["date"] or match["day"], match["time"] or match["clock"] or match["alone"]
        if clock is None and _vague.match(match.string, match.end()):
            return None
        day = _day(" ".join(said.split()), reading) if said else None
        time = _clock(clock) if clock else None
        if (said and day is None) or (clock and time is None):
            return None
        new = write(day, time, written=reading.written) + gap(match.string, match.end())
        counts["date" if said else "time"] += new != match[0]
        return new

    return rewrite(text, _moment, edit=edit, keep=keep)[0], +counts


def _is_to_come(before: str) -> bool:
    """Whether what is said about a weekday lies ahead, once: `please`, `must`; no past tense, no `every`."""
    sentence = re.split(r"[.!?\n]", before)[-1]
    return _ahead.search(sentence) is not None and _behind.search(sentence) is None


def _day(text: str, reading: Reading) -> dt.date | None:
    at, low = reading.at, text.lower()
    if match := re.fullmatch(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", text):
        return _numeric(int(match[1]), int(match[2]), year=int(match[3]), day_first=reading.day_first)
    if match := re.fullmatch(rf"({_month})\.? ({_d})(?:,? (\d{{4}}))?", low):
        return _calendar_day(match[1], match[2], year=match[3], text=text, at=at)
    if match := re.fullmatch(rf"(?:the )?({_d}) (?:of )?({_month})\.?(?:,? (\d{{4}}))?", low):
        return _calendar_day(match[2], match[1], year=match[3], text=text, at=at)
    if at is None:
        return None
    if low in _named:
        return at.date() + dt.timedelta(days=_named[low])
    if low.endswith(("ago", "from now", "from today")):
        days = _int(low.split()[0])
        days *= -1 if low.endswith("ago") else 1
        return at.date() + dt.timedelta(days=days) if 1 <= abs(days) <= 31 else None
    if low.endswith("month"):
        return month_end(at, months={"this": 0, "next": 1, "last": -1}[low.split()[-2]])
    return _weekday_day(low, at)


def _calendar_day(month: str, day: str, *, year: str | None, text: str, at: dt.datetime | None) -> dt.date | None:
    number = 1 + next(i for i, name in enumerate(_month_names) if name.startswith(month[:3]))
    days = int(re.sub(r"\D", "", day))
    if year is not None:
        return date_of(int(year), month=number, day=days)
    is_word = month[:3] in ("may", "mar") and not re.search(r"\b(?:May|Mar)", text)
    return None if at is None or is_word else nearest(number, days, at=at)


def _numeric(first: int, second: int, *, year: int, day_first: bool | None) -> dt.date | None:
    readings = {True: date_of(year, month=second, day=first), False: date_of(year, month=first, day=second)}
    if day_first is not None:
        return readings[day_first]
    possible = {one for one in readings.values() if one is not None}
    return possible.pop() if len(possible) == 1 else None


def _weekday_day(text: str, at: dt.datetime) -> dt.date | None:
    *which, name = text.split()
    weekday, today = _weekdays.index(name), at.weekday()
    if not which:
        return coming(at, weekday=weekday)
    if which == ["next"]:
        return weekday_of(at, weeks=1, weekday=weekday) if weekday <= today else None
    if which == ["last"]:
        return weekday_of(at, weeks=-1, weekday=weekday) if weekday >= today else None
    if which == ["this", "past"]:
        return weekday_of(at, weeks=0 if weekday < today else -1, weekday=weekday)
    if which == ["this", "coming"]:
        return weekday_of(at, weeks=0 if weekday > today else 1, weekday=weekday)
    return weekday_of(at, weeks=0, weekday=weekday) if weekday >= today else None


def _int(text: str) -> int:
    value = int(text) if text.isdigit() else parse(text)
    return -1 if value is None else int(value)


def _clock(text: str) -> dt.time | None:
    low = text.lower()
    if low == "noon":
        return dt.time(12)
    numbers = [_int(part) for part in re.findall(r"\d+|^[a-z]+(?=\s|am|pm|a\.|p\.)", low)]
    if re.search(r"[ap]\.?m\.?$|in the", low) is None:
        hour, minute, second = (*numbers, 0, 0)[:3]
        return dt.time(hour, minute, second) if hour < 24 else None
    hour, minute = numbers[0], numbers[1] if len(numbers) > 1 else 0
    if not 1 <= hour <= 12:
        return None
    after_noon = bool(re.search(r"p\.?m\.?$|afternoon|evening", low))
    return dt.time(hour % 12 + (12 if after_noon else 0), minute)
