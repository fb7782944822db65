r"""Personal data with a structure, found and masked inside Chinese and English sentences alike.

Boundaries are look-arounds on digits and ASCII letters. `\b` would not do: a Han character counts as a word character,
so there is no boundary between it and a digit. What has a check digit must pass it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

__all__ = ["KINDS", "Finding", "find", "is_card", "is_cn_id", "mask"]

_half_width = {0xFF01 + i: chr(0x21 + i) for i in range(94)} | {0x3000: " ", 0x2010: "-", 0x2011: "-", 0x2013: "-"}
_regions = frozenset(
    (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83)
)
"""First two digits: the provinces of GB/T 2260."""
_month_days = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True)
class Finding:
    """One piece of personal data in a text."""

    kind: str
    start: int
    end: int


def is_cn_id(number: str) -> bool:
    """Whether 18 characters are a resident identity number (GB 11643): province, birthday, ISO 7064 check digit."""
    number = number.replace(" ", "").replace("-", "")
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdigit()) or int(number[:2]) not in _regions:
        return False
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if not (1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= _month_days[month - 1]):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _weights, strict=False))
    return number[17].upper() == "10X98765432"[total % 11]


def is_card(number: str) -> bool:
    """Whether digits are a payment card number (ISO/IEC 7812): 13 to 19, the first 2 to 6, not all alike, Luhn sum."""
    number = number.replace(" ", "").replace("-", "")
    if not (13 <= len(number) <= 19 and number[0] in "23456") or len(set(number)) == 1:
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _always(text: str) -> bool:
    return bool(text)


def _is_phone(text: str) -> bool:
    return 8 <= sum(character.isdigit() for character in text) <= 15


def _is_ipv4(text: str) -> bool:
    """A host's address; `2.3.4.5` is rather a numbering, and netmasks are nobody's."""
    parts = [int(part) for part in text.split(".")]
    return 0 < parts[0] < 255 and 10 <= max(parts) <= 255


_Check = Callable[[str], bool]
_before, _after = r"(?<![0-9A-Za-z])(?<![0-9][.,])", r"(?![0-9A-Za-z])"
_credential = "access_token|api_?key|token|key|secret|password|passwd|pwd|signature|sig|auth"
_label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


_telling = re.compile("[0-9@=]")
"""Every finding has one of these, so that most texts need no more than one look."""

# In order of precedence: what one pattern has found is taken for those below it.
_patterns: tuple[tuple[str, re.Pattern[str], _Check], ...] = (
    ("secret", _regex(r"(?<=://)(?P<value>[^\s/@:]{1,64}:[^\s/@]{1,128})(?=@)"), _always),
    ("secret", _regex(rf"(?<=[?&#])(?i:{_credential})=(?P<value>[A-Za-z0-9._~%+/=:@!$*,;-]{{1,512}})"), _always),
    (
        "email",
        _regex(
            rf"(?<![A-Za-z0-9._%+-])(?P<value>[A-Za-z0-9_][A-Za-z0-9._%+-]{{0,63}}@(?:{_label}\.){{1,5}}[A-Za-z]{{2,24}})"
            r"(?![A-Za-z0-9-])"
        ),
        _always,
    ),
    ("cn_id", _regex(rf"{_before}(?P<value>[1-9]\d{{5}}[ -]?\d{{8}}[ -]?\d{{3}}[\dXx]){_after}"), is_cn_id),
    ("card", _regex(rf"{_before}(?P<value>[2-6]\d{{3}}([ -])\d{{4}}\2\d{{4}}\2\d{{4}}\2\d{{1,3}}){_after}"), is_card),
    ("card", _regex(rf"{_before}(?P<value>[2-6]\d{{3}}([ -])\d{{4}}\2\d{{4}}\2\d{{4}}){_after}"), is_card),
    ("card", _regex(rf"{_before}(?P<value>3[47]\d{{2}}([ -])\d{{6}}\2\d{{5}}|6\d{{5}}[ -]\d{{13}}){_after}"), is_card),
    ("card", _regex(rf"{_before}(?P<value>[2-6]\d{{12,18}}){_after}"), is_card),
    (
        "phone",
        _regex(
            r"(?<![0-9A-Za-z+])(?<![0-9][.,=*+-])(?P<value>"
            r"(?:(?:\+|00)?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}"  # Chinese mobile
            r"|\(?0(?:10|2\d|[3-9]\d{2})(?:\)[ ]?|[ -])\d{7,8}"  # Chinese landline
            r"|\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,5}"  # with a country code
            r"|(?:1[ .-])?(?:\([2-9]\d{2}\)[ ]?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4}"  # North American
            r"|[2-9]\d{2}[ ][2-9]\d{2}[ ]\d{4}"
            r"|0\d{2,4}[ -]\d{3,4}[ -]\d{3,4}|07\d{3}[ ]?\d{6}|0\d{4}[ ]\d{6}"  # British
            rf"){_after}"
        ),
        _is_phone,
    ),
    ("ipv4", _regex(r"(?<![0-9A-Za-z.])(?P<value>(?:\d{1,3}\.){3}\d{1,3})(?![0-9A-Za-z]|\.\d)"), _is_ipv4),
)

KINDS = tuple(dict.fromkeys(kind for kind, _, _ in _patterns))
"""Every kind that is looked for, in order of precedence."""


def find(text: str, *, kinds: Collection[str] = KINDS) -> list[Finding]:
    """Personal data in `text`, in order and without overlaps; full-width digits and letters are read as half-width."""
    view = text.translate(_half_width)
    found: list[Finding] = []
    if not _telling.search(view):
        return found
    for kind, pattern, check in _patterns:
        for match in pattern.finditer(view) if kind in kinds else ():
            start, end = match.span("value")
            free = all(end <= other.start or start >= other.end for other in found)
            if free and check(match["value"]):
                found.append(Finding(kind, start, end))
    return sorted(found, key=lambda finding: finding.start)


def mask(text: str, *, kinds: Collection[str] = KINDS, allow: Collection[str] = ()) -> tuple[str, Counter[str]]:
    """`text` with each finding replaced by `[KIND]`, and how many there were of each kind.

    Masking a masked text changes nothing. `allow` holds values that stay, such as the house's own hotline.
    """
    counts: Counter[str] = Counter()
    # A mask can free its neighbour: the number behind `…0396+44 7700 900456` is one only once the first is gone.
    while findings := [f for f in find(text, kinds=kinds) if text[f.start : f.end] not in allow]:
        for finding in reversed(findings):
            text = f"{text[: finding.start]}[{finding.kind.upper()}]{text[finding.end :]}"
        counts.update(finding.kind for finding in findings)
    return text, counts
