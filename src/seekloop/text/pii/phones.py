"""Telephone numbers in all written forms, the surest first."""

from __future__ import annotations

import re

from seekloop.text.pii.context import words
from seekloop.text.pii.pattern import Pattern, regex

__all__ = ["CALLED", "PHONES"]

_behind_label = "(?<=(?i:tel).)|(?<=(?i:phone).)|(?<=(?i:mobile).)|(?<=(?i:mob).)|(?<=(?i:cell).)"
_start = rf"(?:(?<![0-9A-Za-z+¥$€£].)|{_behind_label})(?<![0-9][.,=*+-].)(?<!= -.)"
_end = r"(?![0-9]|[.,][0-9]|[ ]?(?:[元块万亿%]|美元|港币))(?:(?![A-Za-z])|(?=(?i:vx|wx|qq|v信)))"
_extension = "(?:[ ]?(?:转|分机|ext\\.?|x)[ ]?\\d{1,6})?"
_dated = re.compile(
    r"(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])(?!\d)|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)"
)
_apart = re.compile(r"[ ./-]{3}|(?<!\d)\d(?![\d)])")
_called = words(
    "电话,電話,手机,手機,座机,固话,传真,联系,致电,来电,拨打,打给,回电,热线,号码,短信,微信,客服,phone,phones,tel,telephone,"
    "mobile,mob,cell:,cell phone,cell number,my cell,cellphone,fax,call,called,calling,dial,ring,desk:,office:,home:,"
    "work:,whatsapp,sms,text me,texted,message,messages,reach,contact,answering at,registered,hotline,landline"
)
_words = re.compile(rf"{_called.pattern}| office(?<=[0-9] office)|-office(?<=[0-9]-office)| desk(?<=[0-9] desk)")
CALLED = _words
"""Context without which the patterns that need a `p` find nothing; matched against lower-case text."""
_dialling = words("电话,拨打,致电,热线,客服,来电,call,dial,hotline")


def _phone(first: str, rest: str) -> re.Pattern[str]:
    """A telephone number: also behind `Tel`, before `vx`, and not in a sum, after a currency or before its unit."""
    return regex(rf"({first}{_start}{rest}){_end}")


def _digits(text: str) -> int:
    """Digits of a number without its extension."""
    return sum(character.isdigit() for character in re.split("[x转分e]", text, maxsplit=1)[0])


def _is_international(text: str) -> bool:
    return 8 <= _digits(text) <= 15


def _is_dialled(text: str) -> bool:
    return 10 <= _digits(text) <= 17


def _is_local(text: str) -> bool:
    """Seven to twelve digits in groups of two or more that are neither a date nor a time."""
    return 7 <= _digits(text) <= 12 and not _dated.match(text) and not _apart.search(text)


_mobile = (
    r"[3-9](?:\d\)?[ .-]?\d{4}[ .-]?\d{4}|\d -[ ]\d{4} - \d{4}|\d\d[ .-]\d{3}[ .-]\d{4}"
    r"|\d\d[ .-]\d{4}[ .-]\d{3}|\d[ -]\d{3}[ -]\d{5})"
)
_area = r"(?:10|2\d|[3-9]\d{2})"

PHONES: tuple[Pattern, ...] = tuple(
    Pattern(kind=kind, regex=form, check=check, base=base, context=context, digits=digits, needs=needs)
    for kind, form, check, base, context, digits, needs in (
        # Chinese mobiles: behind 86 in its forms, in brackets, alone, digit by digit.
        (
            "phone",
            _phone(r"[+(08]", rf"(?:\+?(?:(?<=0)0|)(?:(?<=8)6|86)\)?[ -]{{0,2}})\(?1{_mobile}"),
            None,
            0.8,
            _words,
            13,
            "",
        ),
        ("phone", _phone(r"\(", rf"1{_mobile}"), None, 0.8, _words, 11, "("),
        ("phone", _phone("1", _mobile), None, 0.8, _words, 11, ""),
        ("phone", _phone("1", r"([ -])[3-9](?:\2\d){9}"), None, 0.6, _words, 11, "-"),
        # Businesses, before what looks like them.
        (
            "hotline",
            _phone("[48]", r"00(?:[ -]?\d{3}[ -]?\d{4}|[ -]?\d{4}[ -]?\d{3}|\d[ -]\d{3}[ -]?\d{3})"),
            None,
            0.8,
            _words,
            10,
            "",
        ),
        ("hotline", _phone("1", r"[ .-]\(?800\)?[ .-][2-9]\d{2}[ .-]\d{4}"), None, 0.8, _words, 11, "-"),
        ("hotline", _phone(r"\(", r"800\)[ .-]?[2-9]\d{2}[ .-]\d{4}"), None, 0.8, _words, 10, "("),
        # Chinese landlines with an area code.
        (
            "phone",
            _phone("0", rf"{_area}(?:[ ]?-[ ]?|[ ])[1-9]\d{{2,3}}[ -]?\d{{4}}(?:-\d{{1,4}}(?!\d))?{_extension}"),
            None,
            0.8,
            _words,
            10,
            "-",
        ),
        (
            "phone",
            _phone(r"\(", rf"0{_area}\)[ -]?[1-9]\d{{2,3}}[ -]?\d{{4}}(?:-\d{{1,4}}(?!\d))?{_extension}"),
            None,
            0.8,
            _words,
            10,
            "(",
        ),
        # With a country code; North American; British.
        (
            "phone",
            _phone(r"\+", rf"[1-9]\d{{0,2}}(?:[ .-]{{0,2}}\(?\d{{1,5}}\)?){{2,6}}{_extension}"),
            _is_international,
            0.8,
            _words,
            8,
            "+",
        ),
        (
            "phone",
            _phone("0", rf"0[1-9]\d{{0,2}}[ .-]\(?\d{{1,5}}\)?(?:[ .-]\d{{2,5}}){{1,4}}{_extension}"),
            _is_dialled,
            0.7,
            _words,
            10,
            "-",
        ),
        ("phone", _phone("[2-9]", rf"\d{{2}}[.-][2-9]\d{{2}}[ .-]\d{{4}}{_extension}"), None, 0.75, _words, 10, "-"),
        (
            "phone",
            _phone(r"\(", rf"[2-9]\d{{2}}\)[ -]?[2-9]\d{{2}}[ .-]\d{{4}}{_extension}"),
            None,
            0.75,
            _words,
            10,
            "(",
        ),
        (
            "phone",
            _phone("1", rf"[ .-](?:\([2-9]\d{{2}}\)[ -]?|[2-9]\d{{2}}[.-])[2-9]\d{{2}}[ .-]\d{{4}}{_extension}"),
            None,
            0.75,
            _words,
            11,
            "-",
        ),
        (
            "phone",
            _phone("0", r"(?:\d{2,4}[ -]\d{3,4}[ -]\d{3,4}|7\d{3}[ ]?\d{6}|\d{4}[ ]\d{6})"),
            None,
            0.6,
            _words,
            10,
            "",
        ),
        ("phone", _phone(r"\(", r"0\d{2,4}\)[ ]?\d{3,4}[ ]?\d{3,4}"), None, 0.6, _words, 10, "("),
        ("hotline", _phone("[19]", r"(?:5\d{3,4}|00\d\d|23\d\d)"), None, 0.2, _dialling, 5, "p"),
        # What looks like a date, straight behind a label.
        (
            "phone",
            regex(r"(?:电话|座机|手机|传真|[Tt]el|[Pp]hone)(?:号码|号|是|[:. ]){0,3}((?:19|20)\d{6})(?![0-9])"),
            None,
            0.9,
            _words,
            8,
            "p",
        ),
        # Anything that is called a number to call.
        ("phone", _phone("0", rf"{_area}[2-9]\d{{6,7}}"), None, 0.45, _words, 10, "p"),
        ("phone", _phone(r"[(\d]", rf"[\d ()./-]{{5,18}}\d{_extension}"), _is_local, 0.2, _words, 7, "p"),
    )
)
