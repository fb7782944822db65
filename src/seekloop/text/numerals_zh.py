"""Chinese numerals, exactly: a numeral to its value and a value to its numeral, in daily and in formal writing.

The grammar is that of written Chinese: digits with 十 百 千 inside a group of four, groups joined by 万 and 亿. A last
digit without a unit, and without 零 before it, counts in the unit below the one before it: 一百二 is 120, 三万五 is
35,000, but 一百零二 is 102. Two digits side by side (三五个, 七八十) are a range and no number.
"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["CHARACTERS", "parse", "parse_sequence", "spell", "spell_sequence"]

_digits = dict(zip("零一二三四五六七八九", range(10), strict=True))
_digits |= dict(zip("〇壹贰叁肆伍陆柒捌玖", range(10), strict=True))
_digits |= {"两": 2, "兩": 2, "俩": 2, "仨": 3, "貳": 2, "參": 3, "叄": 3, "陸": 6, "幺": 1, "○": 0}
_small = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_twenties = {"廿": 20, "卅": 30, "卌": 40}
_large = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_zero = "零〇○"
_daily, _formal = "零一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖"
_daily_units, _formal_units = ("", "十", "百", "千"), ("", "拾", "佰", "仟")
_limit = 10**16

CHARACTERS = "".join((*_digits, *_small, *_twenties, *_large))
"""Every character that a numeral may hold, save 点 and 负."""


def parse(text: str) -> Decimal | None:
    """The value of a numeral that is nothing else: `一万二千三百点五` is 12300.5; None where it is none, or a range.

    Arabic digits may stand before 万 and 亿 and at the end: `3万5` is 35000. 负 makes it negative.
    """
    body, sign = (text[1:], -1) if text[:1] in ("负", "負") else (text, 1)
    whole, point, decimals = body.replace("點", "点").partition("点")
    value = _whole(whole)
    if value is None:
        return None
    if point:
        digits = [_digits.get(character) for character in decimals]
        if not digits or None in digits or any(c in "两兩俩仨" for c in decimals) or value != int(value):
            return None
        value += Decimal("0." + "".join(map(str, digits)))
    return sign * value


def parse_sequence(text: str) -> str | None:
    """Digits that are read one by one, as years and telephone numbers are: `二〇二四` is "2024"; None: it is none."""
    digits = [_digits.get(character) for character in text]
    if not digits or None in digits or any(character in "两兩俩仨" for character in text):
        return None
    return "".join(map(str, digits))


def spell(value: Decimal | int, *, formal: bool = False) -> str:
    """A value as a numeral: 12300.5 is `一万二千三百点五`, formally `壹万贰仟叁佰点伍`.

    Raises:
        ValueError: it is not finite, or 10**16 and more.
    """
    number = Decimal(value)
    if not number.is_finite() or abs(number) >= _limit:
        raise ValueError(f"{value} has no numeral here")
    whole, _, decimals = f"{abs(number):f}".partition(".")
    spelt = _spell_whole(int(whole), formal=formal)
    if decimals:
        spelt += "点" + "".join((_formal if formal else _daily)[int(digit)] for digit in decimals)
    return ("负" if number < 0 else "") + spelt


def spell_sequence(digits: str, *, telephone: bool = False) -> str:
    """Digits read one by one: "2024" is `二〇二四`; for a telephone `二零二四`, and 1 is 幺.

    Raises:
        ValueError: something that is no digit.
    """
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{digits} is not of digits alone")
    names = "零幺二三四五六七八九" if telephone else "〇一二三四五六七八九"
    return "".join(names[int(digit)] for digit in digits)


def _whole(text: str) -> Decimal | None:
    """The value of a whole numeral, or of digits with 万 and 亿 behind them."""
    for units in ("亿億", "万萬"):
        at = max(text.rfind(unit) for unit in units)
        if at >= 0:
            return _joined(text[:at], text[at + 1 :], unit=text[at])
    return _group(text)


def _joined(left: str, right: str, *, unit: str) -> Decimal | None:
    scale = _large[unit]
    # 两 stands before a unit, 万亿 is one unit of its own; what is left of 万 is one group.
    high = _arabic(left) if _arabic(left) is not None else _whole(left)
    if high is None or high == 0 or (scale == 10**4 and high >= 10**4):
        return None
    if not right:
        low: Decimal | None = Decimal(0)
    elif len(right) == 1 and right in "123456789一二三四五六七八九壹贰叁肆伍陆柒捌玖":
        low = Decimal(_digits.get(right, 0) or int(right)) * scale / 10  # 三万五
    else:
        bare = right[1:] if right[0] in _zero else right
        low = _whole(bare) if bare and bare[0] not in _zero else None
        if low is None and bare.isascii() and bare.isdigit() and len(bare) > 1:
            low = Decimal(bare)
    if low is None or low >= scale or (low == 0 and right):
        return None
    return high * scale + low


def _arabic(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"\d{1,12}(?:\.\d{1,8})?", text, re.ASCII) else None


def _group(text: str) -> Decimal | None:
    """A numeral below 10,000: 两千零五, 廿五, 十二."""
    mixed = re.fullmatch(r"([1-9])([千百])(.*)", text)
    if mixed:  # 3千5, 5百
        text = _daily[int(mixed[1])] + mixed[2] + re.sub(r"^[1-9]$", lambda m: _daily[int(m[0])], mixed[3])
    if text and all(character in _zero for character in text):
        return Decimal(0) if len(text) == 1 else None
    total, last, at, skipped = 0, 10**4, 0, False
    while at < len(text):
        character = text[at]
        if character in _zero:
            if at == 0 or skipped or at + 1 == len(text):
                return None
            skipped, at = True, at + 1
        elif character in _twenties:
            if last <= 10:
                return None
            total, last, at, skipped = total + _twenties[character], 10, at + 1, False
        else:
            step = _step(text, at, last=last, skipped=skipped)
            if step is None:
                return None
            value, last, at = step
            total, skipped = total + value, False
    return Decimal(total) if text else None


def _step(text: str, at: int, *, last: int, skipped: bool) -> tuple[int, int, int] | None:
    """One digit with its unit from `at` on: its value, its unit, and where the next begins."""
    digit = _digits.get(text[at])
    if digit is None:  # 十二, 一百十二: the one is left unsaid, which only ten allows
        unit = _small.get(text[at])
        return (10, 10, at + 1) if unit == 10 and last > 10 else None
    unit = _small.get(text[at + 1]) if at + 1 < len(text) else None
    if unit is not None:
        if unit >= last or (digit == 2 and unit == 10 and text[at] in "两兩") or text[at] in "俩仨幺":
            return None
        return digit * unit, unit, at + 2
    if at + 1 < len(text) or (at and text[at] in "两兩俩仨幺"):
        return None
    if last in (100, 1000) and not skipped:
        return digit * last // 10, 1, at + 1
    return (digit, 1, at + 1) if last > 1 and not (skipped and last == 10) else None


def _spell_whole(value: int, *, formal: bool) -> str:
    digits = _formal if formal else _daily
    if value == 0:
        return digits[0]
    if value >= 10**8:
        return _spell_pair(value, 10**8, unit="亿", formal=formal)
    if value >= 10**4:
        return _spell_pair(value, 10**4, unit="万", formal=formal)
    units = _formal_units if formal else _daily_units
    spelt, skipped = "", False
    for place in (3, 2, 1, 0):
        digit = value // 10**place % 10
        if digit:
            spelt += (digits[0] if skipped and spelt else "") + digits[digit] + units[place]
        skipped = digit == 0
    return spelt[1:] if not formal and spelt.startswith("一十") else spelt


def _spell_pair(value: int, scale: int, *, unit: str, formal: bool) -> str:
    high, low = divmod(value, scale)
    spelt = _spell_whole(high, formal=formal) + unit
    if low == 0:
        return spelt
    rest = _spell_whole(low, formal=formal)
    if not formal and rest.startswith("十"):
        rest = "一" + rest
    return spelt + ("零" if low < scale // 10 else "") + rest
