"""Dates and times in Chinese text to ISO 8601, where the reading is certain: 明天下午三点, once its day is known."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter

from seekloop.text.moments import Reading, coming, date_of, day_of_month, gap, month_end, nearest, weekday_of, write
from seekloop.text.numerals_zh import CHARACTERS, parse, parse_sequence
from seekloop.text.protect import Patterns, rewrite

__all__ = ["resolve"]

_n = f"(?:\\d{{1,2}}|[{CHARACTERS}]{{1,3}})"
_years = {"前年": -2, "去年": -1, "今年": 0, "明年": 1, "后年": 2}
_days = {"大前天": -3, "前天": -2, "昨天": -1, "昨日": -1, "今天": 0, "今日": 0}
_days |= {"明天": 1, "明日": 1, "后天": 2, "大后天": 3}
_short_days = {"昨": -1, "今": 0, "明": 1}
_weeks = {"上上": -2, "上": -1, "这": 0, "本": 0, "下": 1, "下下": 2}
_months = {"上": -1, "本": 0, "这": 0, "下": 1}

_year = r"(?:\d{4}|[零〇○一二三四五六七八九]{4})"
_day_or_none = rf"(?:\s*{_n}[日号](?!楼|线|码)|(?!\s*(?:[\d{CHARACTERS}初底末]|[上中下]旬)))"
_full = rf"(?:{_year}年|{'|'.join(_years)})\s*{_n}月(?:份)?{_day_or_none}"
_numeric = r"(?:19|20)\d\d(?P<mark>[-/.])\d{1,2}(?P=mark)\d{1,2}(?!\d|版)"
_day = rf"{_n}月{_n}[日号](?!楼|线|码)"
_in_month = rf"(?:(?:上|下|这)个?月|本月)(?:{_n}[日号]|底)"
_named = (
    r"大前天|大后天(?![性免])|前天|昨天|昨日|今天|今日(?!头条)|明天|明日"
    r"|后天(?=[去来到要会再能可我你他她给把开上下早晚中回]|[^\u4e00-\u9fff]|$)"  # the word for acquired, too
)
_in_week = r"(?:上上|下下|上|下|这|本)个?(?:周|星期|礼拜)[一二三四五六日天]"
_ago = rf"(?<![\u4e00-\u9fff\d]){_n}天(?:以|之)?前|(?<=[我你他她们在于从是自]){_n}天(?:以|之)?前"
_later = (
    rf"(?:(?<![\u4e00-\u9fff\d])|(?<=[我你他她们在于从是自])){_n}天(?:以|之)?后"
    r"(?=[去来到要会再能可我你他她给把开送发交还取联]|[^\u4e00-\u9fff]|$)"
)
_deadline = r"(?<![上下这本每个单双逢周])(?:周|星期|礼拜)[一二三四五六日天](?=(?:之|以)?前(?![后往台面天几两]))"
_date = rf"(?:{_full}|{_numeric}|{_day}|{_in_month}|{_in_week}|{_named}|{_ago}|{_later}|{_deadline})"
_period = "凌晨|清晨|早晨|早上|上午|中午|正午|下午|傍晚|晚上|夜里|夜间|深夜|晚间|早|晚"
_hour = (
    rf"{_n}\s*(?:[点點]钟?|时(?!间|候|常|段|期|刻|效|而|不))(?:整|半|[一三]刻|{_n}分?)?"
    r"|\d{1,2}[:：]\d\d(?:[:：]\d\d)?"
)
_more = rf"(?!\s*(?:到|至|~|～|—|-|、|或)\s*(?:(?:{_period})?\s*{_n}\s*[点點时:：]))(?![{CHARACTERS}\d多]|来[钟分])"
_moment = re.compile(
    rf"(?<![\d{CHARACTERS}年月/.-])(?:(?P<date>{_date})(?:\s*的?\s*(?P<time>(?:{_period})?\s*(?:{_hour}){_more}))?|"
    rf"(?P<short>[昨今明])(?P<shorttime>[早晚]上?\s*(?:{_hour}){_more})|(?P<clock>(?:{_period})\s*(?:{_hour}){_more}))"
)
_is_deadline = re.compile(r"(?:周|星期|礼拜)[一二三四五六日天]")
_ahead = re.compile("要|能|请|必须|务必|需|可以|会|希望|麻烦|尽量|尽快|截止|应|得")
_behind = re.compile("[了过每已曾]")
_range_before = re.compile(rf"{_n}\s*(?:[点點时]|[:：]\d\d)半?\s*(?:到|至|~|～|—|-)\s*$")
_rest_is_time = re.compile(rf"\s*的?\s*(?:{_period})?\s*{_n}\s*(?:[点點]|[:：]\d)")


def resolve(text: str, reading: Reading, *, keep: Patterns = ()) -> tuple[str, Counter[str]]:
    """`text` with its dates and times in ISO 8601, and how many of each kind there were."""
    counts: Counter[str] = Counter()

    def edit(match: re.Match[str]) -> str | None:
        if _range_before.search(match.string[max(0, match.start() - 12) : match.start()]):
            return None
        if _is_deadline.fullmatch(match["date"] or "") and not _is_to_come(
            match.string, match.start(), end=match.end()
        ):
            return None
        day, time = _read(match, reading)
        if day is None and time is None:
            return None
        new = day if isinstance(day, str) else write(day, time, written=reading.written)
        new += gap(match.string, match.end())
        counts["time" if day is None else "date"] += new != match[0]
        return new

    return rewrite(text, _moment, edit=edit, keep=keep)[0], +counts


def _is_to_come(text: str, start: int, *, end: int) -> bool:
    """Whether what is said about a weekday lies ahead, once: 要, 请 and the like beside it, no 了, 过 or 每."""
    before, after = text[max(0, start - 8) : start], text[end : end + 10]
    return _ahead.search(before + after) is not None and _behind.search(before + after) is None


def _read(match: re.Match[str], reading: Reading) -> tuple[dt.date | str | None, dt.time | None]:
    """The day (or month) and the time of day that are meant; two None where one of them is not certain."""
    if match["clock"] is not None:
        return None, _clock(match["clock"], dated=False)
    said, day = match["shorttime"] or match["time"], _day_of(match["date"], reading) if match["date"] else None
    if match["short"] is not None and reading.at is not None:
        day = reading.at.date() + dt.timedelta(days=_short_days[match["short"]])
    time = None if said is None else _clock(said, dated=True)
    is_cut = said is None and _rest_is_time.match(match.string, match.end()) is not None
    if day is None or is_cut or (said is not None and (time is None or isinstance(day, str))):
        return None, None
    return day, time


def _int(text: str) -> int:
    """A whole numeral in either script; -1 where it is none."""
    value = int(text) if text.isascii() and text.isdigit() else parse(text)
    return -1 if value is None or value != int(value) else int(value)


def _day_of(text: str, reading: Reading) -> dt.date | str | None:
    """The day, a month as `2024-03`, or None where it is not certain."""
    at = reading.at
    if match := re.fullmatch(_numeric, text):
        year, month, day = map(int, re.split(r"[-/.]", match[0]))
        return date_of(year, month=month, day=day)
    if match := re.fullmatch(
        rf"(?:(\d{{4}}|[零〇○一二三四五六七八九]{{4}})年|(.年))?\s*({_n})月(?:份)?(?:\s*({_n})[日号])?", text
    ):
        return _calendar_day(match, at)
    if at is None:
        return None
    if text in _days:
        return at.date() + dt.timedelta(days=_days[text])
    if match := re.fullmatch(rf"(.)个?月(?:({_n})[日号]|底)", text):
        months = _months[match[1]]
        return month_end(at, months=months) if match[2] is None else day_of_month(at, months=months, day=_int(match[2]))
    if match := re.fullmatch(r"(上上|下下|上|下|这|本)个?(?:周|星期|礼拜)(.)", text):
        return weekday_of(at, weeks=_weeks[match[1]], weekday="一二三四五六日".find(match[2].replace("天", "日")))
    if match := re.fullmatch(r"(?:周|星期|礼拜)(.)", text):
        return coming(at, weekday="一二三四五六日".find(match[1].replace("天", "日")))
    match = re.match(_n, text)
    days = _int(match[0]) if match is not None else -1
    sign = 1 if text.endswith("后") else -1
    return at.date() + sign * dt.timedelta(days=days) if 1 <= days <= 31 else None


def _calendar_day(match: re.Match[str], at: dt.datetime | None) -> dt.date | str | None:
    written, spoken, month, day = match.groups()
    if written is None and (at is None or (spoken is not None and spoken not in _years)):
        return None
    if written is None and spoken is None:
        assert at is not None
        return nearest(_int(month), _int(day), at=at) if day else None
    year = int(parse_sequence(written) or written) if written else (at.year if at else 0) + _years[spoken]
    if day is None:
        return f"{year:04d}-{_int(month):02d}" if 1 <= _int(month) <= 12 and year else None
    return date_of(year, month=_int(month), day=_int(day))


def _clock(text: str, *, dated: bool) -> dt.time | None:
    """The time of day, or None where morning or evening is not certain."""
    match = re.fullmatch(rf"({_period}|[早晚]上?)?\s*({_n})\s*(?:[:：](\d\d)(?:[:：](\d\d))?|[点點时]钟?(.*))", text)
    if match is None:
        return None
    hour, minute = _int(match[2]), _minute(match[5]) if match[3] is None else int(match[3])
    second = int(match[4] or 0)
    exact = match[3] is not None or hour >= 13
    hour = _hour_of(match[1], hour) if match[1] else (hour if dated and exact else -1)
    return dt.time(hour, minute, second) if 0 <= hour < 24 and 0 <= minute < 60 and second < 60 else None


def _minute(text: str) -> int:
    named = {"": 0, "整": 0, "半": 30, "一刻": 15, "三刻": 45}
    bare = text.removesuffix("分")
    if text in named or len(text) == 1:  # 三点五 is rather a number
        return named.get(text, -1)
    return _int(bare[1:] if len(bare) == 2 and bare[0] in "零〇" else bare)


def _hour_of(period: str, hour: int) -> int:
    """The hour of 24; -1 where the period and the hour do not fit for certain, such as midnight's 12."""
    if period in ("凌晨",):
        return hour if 0 <= hour <= 6 else -1
    if period in ("清晨", "早晨", "早上", "早"):
        return hour if 4 <= hour <= 11 else -1
    if period == "上午":
        return hour if 6 <= hour <= 12 else -1
    if period in ("中午", "正午"):
        return hour if hour in (11, 12) else hour + 12 if hour in (1, 2) else -1
    first, last = {"下午": (1, 7), "傍晚": (4, 8)}.get(period, (6, 11))
    if first <= hour <= last:
        return hour + 12
    return hour if first + 12 <= hour <= last + 12 or (hour == 12 and period == "下午") else -1
