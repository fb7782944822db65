"""English number words in running text to digits, where they surely are numbers: `two hundred`, not `one day`."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal

from seekloop.text.numbers_zh import plain
from seekloop.text.numerals_en import WORDS, parse, parse_sequence
from seekloop.text.protect import Patterns, rewrite

__all__ = ["to_digits"]

_word = "(?:" + "|".join(sorted(WORDS, key=len, reverse=True)) + ")"
_scale = r"(?:thousand|million|billion|trillion)"
_left, _right = r"(?<![\w.,'’-])", r"(?![\w'’]|-\w|[.,]\d)"
_half = r"and\s+(?:(?:a|one)\s+(?:half|quarter)|three\s+quarters)"
_run = (
    rf"(?:(?:minus|negative)\s+)?(?:a\s+(?=hundred|{_scale})|\d[\d,]*(?:\.\d+)?\s+(?={_scale}\b))?"
    rf"{_word}(?:\s+{_half}|(?:\s*-\s*|\s+)(?:and\s+)?(?:{_word}|point(?=\s+{_word})))*"
)
_currency = {"dollar": "$", "euro": "€", "pound": "£"}
_percent = re.compile(rf"{_left}({_run}|\d+(?:\.\d+)?)\s+per\s?cent\b(?!-)", re.IGNORECASE)
_money = re.compile(
    rf"{_left}({_run}|\d+(?:\.\d+)?)\s+(dollar|euro|pound)s?\b"
    rf"(?:\s+(?:and\s+)?({_run}|\d\d?)\s+(?:cents?|pence)\b)?",
    re.IGNORECASE,
)
_short = re.compile(r"(?<![\w.,$€£¥])([$€£¥])\s?(\d[\d,]*(?:\.\d+)?)\s?(k|m|bn|{_scale})\b", re.IGNORECASE)
_scales = {"k": 3, "m": 6, "bn": 9, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_parts = {"third": 3, "quarter": 4, "fifth": 5, "half": 2}
_fraction = re.compile(
    rf"{_left}(?:(one)[\s-]+(third|quarter|fifth|half)(?=\s+of\b)"
    rf"|(two|three|four)[\s-]+(third|quarter|fifth)s{_right})",
    re.IGNORECASE,
)
_tens = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_ordinals = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_ordinal = re.compile(rf"{_left}({_tens})[\s-]({'|'.join(_ordinals)}){_right}", re.IGNORECASE)
_said = re.compile(
    rf"{_left}(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)[\s-]+){{3,}}\w+{_right}", re.IGNORECASE
)
_unit_words = (
    r"[\s-](?:(?:business|working|calendar|more|full|whole)\s)?(?:seconds?|minutes?|mins?|hours?|days?|weeks?|months?|years?|"
    r"times|cents?|pence|kilograms?|kilos?|kg|grams?|mg|pounds?|ounces?|miles?|metres?|meters?|km|kilometres?|kilometers?|"
    r"inch(?:es)?|feet|degrees?|tablets?|pills?|digits?|characters?|letters?|stars?)\b"
)
_unit = re.compile(_unit_words, re.IGNORECASE)
_few = rf"(?:{_word}(?:-{_word})?)"
_range = re.compile(rf"{_left}({_few})(\s+(?:to|or)\s+|\s*-\s*)({_few})(?={_unit_words})", re.IGNORECASE)
_any = re.compile(rf"{_left}{_run}{_right}", re.IGNORECASE)


def to_digits(text: str, *, keep: Patterns = ()) -> tuple[str, Counter[str]]:
    """`text` with its number words in digits, and how many of each kind there were.

    `twenty percent` becomes 20%, `two thirds` 2/3, `twenty dollars and fifty cents` $20.50, `$1.2k` $1200. A single
    word below ten is a number only before a unit (`three days`), and `one` and `a hundred` stay, as do years that are
    read in pairs (`twenty twenty-four`).
    """
    counts: Counter[str] = Counter()
    for kind, pattern, edit in _steps:
        text, count = rewrite(text, pattern, edit=edit, keep=keep)
        counts[kind] += count
    return text, +counts


def _value(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII) else parse(text)


def _as_percent(match: re.Match[str]) -> str | None:
    value = _value(match[1])
    return None if value is None else f"{plain(value)}%"


def _as_money(match: re.Match[str]) -> str | None:
    value, sign = _value(match[1]), _currency[match[2].lower()]
    if value is None or value < 0 or (match[2].lower() == "pound" and not match[3]):
        return None  # a pound is a weight too
    if match[3] is None:
        return f"{sign}{plain(value)}"
    cents = _value(match[3])
    return None if cents is None or cents >= 100 or value != int(value) else f"{sign}{plain(value)}.{int(cents):02d}"


def _as_short(match: re.Match[str]) -> str | None:
    return f"{match[1]}{plain(Decimal(match[2].replace(',', '')).scaleb(_scales[match[3].lower()]))}"


def _as_fraction(match: re.Match[str]) -> str | None:
    above, below = match[1] or match[3], match[2] or match[4]
    if re.search(r"\band\s+$", match.string[: match.start()], re.IGNORECASE):
        return None
    return f"{parse(above)}/{_parts[below.lower()]}"


def _as_ordinal(match: re.Match[str]) -> str | None:
    place = _ordinals.index(match[2].lower()) + 1
    value = int(parse(match[1]) or 0) + place
    return f"{value}{('st', 'nd', 'rd')[place - 1] if place <= 3 else 'th'}"


def _as_said(match: re.Match[str]) -> str | None:
    digits = parse_sequence(match[0])
    return None if digits is None or digits in "123456789" else digits


def _as_range(match: re.Match[str]) -> str | None:
    low, high = parse(match[1]), parse(match[3])
    return None if low is None or high is None or low >= high else f"{plain(low)}{match[2]}{plain(high)}"


def _as_number(match: re.Match[str]) -> str | None:
    value, words = parse(match[0]), match[0].lower().replace("-", " ").split()
    if value is None or (words[0] == "a" and len(words) == 2):
        return None
    if len(words) == 1 and value < 10 and (value < 2 or not _unit.match(match.string, match.end())):
        return None
    return plain(value)


_steps = (
    ("money", _short, _as_short),
    ("percent", _percent, _as_percent),
    ("money", _money, _as_money),
    ("fraction", _fraction, _as_fraction),
    ("ordinal", _ordinal, _as_ordinal),
    ("number", _said, _as_said),
    ("number", _range, _as_range),
    ("number", _any, _as_number),
)
