"""English number words, exactly: words to their value and a value to its words.

`twenty-five hundred` is 2500, `one and a half` is 1.5, `three point one four` is 3.14. Words that do not make one
number, as in `twenty twenty-four`, are none: who says so may mean a year.
"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["WORDS", "parse", "parse_sequence", "spell", "spell_ordinal"]

_units = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_tens = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_small = {word: value for value, word in enumerate(_units)}
_ten_words = {word: 10 * value for value, word in enumerate(_tens) if word}
_fractions = {"half": Decimal("0.5"), "quarter": Decimal("0.25"), "quarters": Decimal("0.25")}
_irregular = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_irregular |= {"twelve": "twelfth"}
_limit = 10**15

WORDS = (*_units, *_tens[2:], "hundred", *_scales)
"""Every word that counts; `a`, `and`, `point`, `half`, `quarter` may stand between them."""


def parse(text: str) -> Decimal | None:
    """The value of number words that are nothing else; None where they are none.

    A number in digits may stand before a scale: `1.5 million`. `minus` makes it negative.
    """
    words = re.findall(r"[a-z]+|\d[\d,]*(?:\.\d+)?", text.lower())
    if re.sub(r"[a-z0-9.,\s-]", "", text.lower()) or not words:
        return None
    sign = -1 if words[0] in ("minus", "negative") else 1
    words = words[1:] if sign < 0 else words
    value = _with_fraction(words)
    return None if value is None else sign * value


def parse_sequence(text: str) -> str | None:
    """Digits that are said one by one: `four five oh seven` is "4507"; None where they are none."""
    words = text.lower().replace("-", " ").split()
    digits = [0 if word in ("oh", "o") else _small.get(word, 10) for word in words]
    return "".join(map(str, digits)) if digits and max(digits) < 10 else None


def spell(value: Decimal | int) -> str:
    """A value in words: 2512 is `two thousand five hundred twelve`, 1.5 is `one point five`.

    Raises:
        ValueError: it is not finite, or 10**15 and more.
    """
    number = Decimal(value)
    if not number.is_finite() or abs(number) >= _limit:
        raise ValueError(f"{value} has no words here")
    whole, _, decimals = f"{abs(number):f}".partition(".")
    spelt = _spell_whole(int(whole))
    if decimals:
        spelt += " point " + " ".join(_units[int(digit)] for digit in decimals)
    return ("minus " if number < 0 else "") + spelt


def spell_ordinal(value: int) -> str:
    """A place in a row in words: 21 is `twenty-first`.

    Raises:
        ValueError: it is below 1, or 10**15 and more.
    """
    if value < 1:
        raise ValueError(f"{value} is no place in a row")
    head, mark, last = re.fullmatch(r"(.*?)([ -]?)([a-z]+)", spell(value)).groups()  # type: ignore[union-attr]
    if last in _irregular:
        last = _irregular[last]
    else:
        last = last.removesuffix("y") + ("ieth" if last.endswith("y") else "th")
    return f"{head}{mark}{last}"


def _with_fraction(words: list[str]) -> Decimal | None:
    """A number, with `and a half` behind it or before its scale: `two and a half million`."""
    for at in range(1, len(words) - 2):
        tail = words[at + 3 :]
        part = _fraction(words[at + 1 : at + 3])
        if words[at] != "and" or part is None or any(word not in _scales for word in tail) or len(tail) > 1:
            continue
        head = _number(words[:at])
        if head is None or head != int(head):
            return None
        return (head + part) * (_scales[tail[0]] if tail else 1)
    return _number(words)


def _fraction(words: list[str]) -> Decimal | None:
    first, second = words
    if second not in _fractions or first not in ("a", "one", "three"):
        return None
    if first == "three":
        return Decimal("0.75") if second == "quarters" else None
    return _fractions[second] if second != "quarters" else None


def _number(words: list[str]) -> Decimal | None:
    if "point" in words:
        at = words.index("point")
        digits = parse_sequence(" ".join(words[at + 1 :])) if "oh" not in words else None
        whole = _whole(words[:at])
        return None if digits is None or whole is None else whole + Decimal(f"0.{digits}")
    return _whole(words)


def _whole(words: list[str]) -> Decimal | None:
    """Groups below a thousand, each before a smaller scale than the one before."""
    total, group, last = Decimal(0), list[str](), 10**15
    for word in words:
        if word not in _scales:
            group.append(word)
            continue
        value = _group(group, joined=bool(total))
        if value is None or value == 0 or _scales[word] >= last or (len(words) > 2 and value >= 1000):
            return None
        total, last, group = total + value * _scales[word], _scales[word], []
    if not group:
        return total if total else None
    low = _group(group, joined=bool(total))
    if low is None or low >= last or (total and low == 0):
        return None
    return total + low


def _group(words: list[str], *, joined: bool) -> Decimal | None:
    """A number below 10,000: twenty-five hundred, three hundred and five; `a` only before a unit."""
    if len(words) == 1 and words[0][:1].isdigit():
        plain = words[0].replace(",", "")
        grouped = re.fullmatch(r"\d{1,3}(?:,\d{3})*(?:\.\d+)?", words[0]) or "," not in words[0]
        return Decimal(plain) if grouped else None
    if joined and words[:1] == ["and"]:
        words = words[1:]
    if words == ["a"]:
        return Decimal(1)
    if "hundred" not in words:
        return _below_hundred(words)
    at = words.index("hundred")
    high = Decimal(1) if words[:at] == ["a"] else _below_hundred(words[:at])
    rest = words[at + 2 :] if words[at + 1 : at + 2] == ["and"] else words[at + 1 :]
    low = _below_hundred(rest) if rest else Decimal(0)
    if high is None or low is None or high == 0 or (high >= 10 and high % 10 == 0) or (rest and low == 0):
        return None
    return None if len(words) > at + 1 and not rest else high * 100 + low


def _below_hundred(words: list[str]) -> Decimal | None:
    if len(words) == 1:
        value = _small.get(words[0], _ten_words.get(words[0]))
        return None if value is None else Decimal(value)
    if len(words) == 2 and words[0] in _ten_words and 1 <= _small.get(words[1], 0) <= 9:
        return Decimal(_ten_words[words[0]] + _small[words[1]])
    return None


def _spell_whole(value: int) -> str:
    for word, scale in reversed(_scales.items()):
        if value >= scale:
            high, low = divmod(value, scale)
            return f"{_spell_whole(high)} {word}" + (f" {_spell_whole(low)}" if low else "")
    if value >= 100:
        high, low = divmod(value, 100)
        return f"{_units[high]} hundred" + (f" {_spell_whole(low)}" if low else "")
    if value < 20:
        return _units[value]
    return _tens[value // 10] + (f"-{_units[value % 10]}" if value % 10 else "")
