"""Dates and times in Chinese and English text to ISO 8601, anchored to when the text was said.

Absolute dates need no anchor; relative ones (明天下午三点, `two days ago`) stay where the anchor is not known. A
reading that people would dispute (`next Friday` on a Monday, 3/5/2026, 晚上12点) is left as it is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from zoneinfo import ZoneInfo

from seekloop.text import times_en, times_zh
from seekloop.text.moments import Reading
from seekloop.text.protect import Patterns

__all__ = ["local", "parse_time", "resolve"]

_english = re.compile(r"[A-Za-z]|\d[/.-]\d")
_written = re.compile(
    r"\W*(\d{4})\D(\d{1,2})\D(\d{1,2})日?(?:(\D+)(\d{1,2})\D(\d{1,2})(?:\D(\d{1,2})(?:[.,]\d+)?)?)?[分秒]?"
    r"\s*([AaPp]\.?[Mm])?\s*(Z|[+-]\d{2}:?\d{2})?\W*"
)
_after_noon = re.compile("下午|晚上|傍晚|[Pp]\\.?[Mm]")
_epoch_from, _epoch_to = 10**8, 10**10


def resolve(text: str, reading: Reading, *, keep: Patterns = ()) -> tuple[str, Counter[str]]:
    """`text` with its dates and times in ISO 8601, and how many of each kind (`date`, `time`) there were."""
    text, chinese = times_zh.resolve(text, reading, keep=keep)
    if not _english.search(text):
        return text, chinese
    text, english = times_en.resolve(text, reading, keep=keep)
    return text, chinese + english


def parse_time(text: str) -> dt.datetime | None:
    """A record's time: ISO 8601, 2024/3/5 10:00, 2024年3月5日 下午3:05, or seconds or milliseconds since 1970 (UTC).

    Returns:
        The time, with its zone where one was written; None: it is none of these.
    """
    text = text.strip()
    try:
        if text.replace(".", "", 1).isdecimal() and text.isascii():
            seconds = float(text) if float(text) < _epoch_to else float(text) / 1000
            return dt.datetime.fromtimestamp(seconds, dt.UTC) if _epoch_from <= seconds < _epoch_to else None
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return _read(text)


def local(time: dt.datetime, zone: str | None) -> dt.datetime:
    """The wall clock of `time` in a zone such as `Asia/Shanghai`; a time without a zone is taken as it is."""
    if zone is not None and time.tzinfo is not None:
        time = time.astimezone(ZoneInfo(zone))
    return time.replace(tzinfo=None)


def _read(text: str) -> dt.datetime | None:
    found = _written.fullmatch(text)
    if found is None:
        return None
    year, month, day, between, hour, minute, second, half, zone = found.groups()
    late = int(hour or 0) < 12 and _after_noon.search((between or "") + (half or "")) is not None
    numbers = (int(year), int(month), int(day), int(hour or 0) + 12 * late, int(minute or 0), int(second or 0))
    try:
        time = dt.datetime(*numbers)
        return time if zone is None else dt.datetime.fromisoformat(f"{time.isoformat()}{zone}")
    except ValueError:
        return None
