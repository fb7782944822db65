"""Numbers in Chinese and English text: words to digits for training, and digits to words for speech."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from decimal import Decimal

from seekloop.text import numbers_en, numbers_zh, numerals_en, numerals_zh
from seekloop.text.protect import Patterns, rewrite
from seekloop.text.segment import language_of

__all__ = ["to_digits", "to_words"]

_iso_date = r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])"
_iso_time = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)"
_letter = re.compile("[A-Za-z]")
_whole = r"\d{1,3}(?:,\d{3})+|\d{1,6}"
_figure = re.compile(
    rf"(?<![\d.,:/A-Za-z_-])(?:{_iso_date}(?:[T ]{_iso_time})?|{_iso_time.replace('hour', 'h').replace('minute', 'm')}"
    rf"|(?P<told>\d{{4}})(?=年)|(?P<sign>[$€£])?(?P<number>(?:{_whole})(?:\.\d{{1,8}})?)(?P<unit>%|元)?)"
    r"(?![\d:/A-Za-z_-]|[.,]\d)"
)
_coins = {"$": "dollars", "€": "euros", "£": "pounds"}
_months = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def to_digits(text: str, *, keep: Patterns = ()) -> tuple[str, Counter[str]]:
    """`text` with numerals and number words in digits, and how many of each kind there were."""
    counts: Counter[str] = Counter()
    if not text.isascii():
        text, counts = numbers_zh.to_digits(text, keep=keep)
    if _letter.search(text):
        text, english = numbers_en.to_digits(text, keep=keep)
        counts += english
    return text, counts


def to_words(text: str, *, keep: Patterns = ()) -> tuple[str, Counter[str]]:
    """`text` with its figures as they are read aloud, in the language of the text, and how many of each kind.

    Dates in ISO 8601, times of day, years before 年, money, percentages and plain numbers are read; what is protected
    (codes, telephone and order numbers) stays in digits.
    """
    counts: Counter[str] = Counter()
    chinese = language_of(text) in ("zh", "ja")

    def edit(match: re.Match[str]) -> str:
        counts["words"] += 1
        return _chinese(match) if chinese else _english(match)

    return rewrite(text, _figure, edit=edit, keep=keep)[0], +counts


def _chinese(match: re.Match[str]) -> str:
    part = match.groupdict()
    if part["year"]:
        date = f"{numerals_zh.spell_sequence(part['year'])}年{_zh(part['month'])}月{_zh(part['day'])}日"
        return date + (_zh_clock(part["hour"], part["minute"]) if part["hour"] else "")
    if part["h"]:
        return _zh_clock(part["h"], part["m"])
    if part["told"]:
        return numerals_zh.spell_sequence(part["told"])
    value = Decimal(part["number"].replace(",", ""))
    if part["unit"] == "%":
        return "百分之" + numerals_zh.spell(value)
    if part["unit"] == "元" and value != int(value) and value == round(value, 2):
        dimes, cents = divmod(int(value * 100) % 100, 10)
        digits = "零一二三四五六七八九"
        change = (digits[dimes] + "角" if dimes else "零") + (digits[cents] + "分" if cents else "")
        return numerals_zh.spell(int(value)) + "元" + change
    coin = {"$": "美元", "€": "欧元", "£": "英镑"}.get(part["sign"] or "", part["unit"] or "")
    return numerals_zh.spell(value) + coin


def _zh(digits: str) -> str:
    return numerals_zh.spell(int(digits))


def _zh_clock(hour: str, minute: str) -> str:
    rest = {0: "整", 30: "半"}.get(int(minute), ("零" if int(minute) < 10 else "") + _zh(minute) + "分")
    return f"{_zh(hour)}点{rest}"


def _english(match: re.Match[str]) -> str:
    part = match.groupdict()
    if part["year"]:
        day = dt.date(2000, int(part["month"]), 1)
        date = f"{_months[day.month - 1]} {numerals_en.spell_ordinal(int(part['day']))}, {_en_year(part['year'])}"
        return date + (f" at {_en_clock(part['hour'], part['minute'])}" if part["hour"] else "")
    if part["h"]:
        return _en_clock(part["h"], part["m"])
    if part["told"]:
        return _en_year(part["told"])
    value = Decimal(part["number"].replace(",", ""))
    if part["sign"]:
        return _en_money(value, _coins[part["sign"]])
    return numerals_en.spell(value) + {"%": " percent", "元": " yuan"}.get(part["unit"] or "", "")


def _en_money(value: Decimal, coin: str) -> str:
    cents = int(value * 100) % 100
    if value * 100 != int(value * 100):
        return f"{numerals_en.spell(value)} {coin}"
    change = f" and {numerals_en.spell(cents)} {'pence' if coin == 'pounds' else 'cents'}" if cents else ""
    return f"{numerals_en.spell(int(value))} {coin}{change}"


def _en_year(year: str) -> str:
    high, low = divmod(int(year), 100)
    if low == 0 or (high % 10 == 0 and low < 10):
        return numerals_en.spell(int(year))
    return f"{numerals_en.spell(high)} {'oh ' if low < 10 else ''}{numerals_en.spell(low)}"


def _en_clock(hour: str, minute: str) -> str:
    half = "a.m." if int(hour) < 12 else "p.m."
    minutes = "" if minute == "00" else f" {'oh ' if minute[0] == '0' else ''}{numerals_en.spell(int(minute))}"
    return f"{numerals_en.spell((int(hour) - 1) % 12 + 1)}{minutes} {half}"
