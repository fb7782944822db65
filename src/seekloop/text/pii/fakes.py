"""Stand-ins of the same written form, the same for the same value under one key.

Check digits are right. The numbers lie in ranges that are never given out, where there are such: the unassigned mobile
prefix 154, local numbers that begin with 1, area codes N9X and exchange 555 in North America, Ofcom's 07700 900 for
drama, county 9999 in identity numbers and credit codes, SSN area 666, 240.0.0.0/4, 2001:db8::/32, example.com, plates
with an I. For cards and other countries' telephones no such range is known: card issuer numbers end in 9999, the
rest is only scrambled.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection

from seekloop.text.pii import checks
from seekloop.text.pii.fake_names import NAMES
from seekloop.text.pii.search import view_of
from seekloop.text.pii.stream import Stream

__all__ = ["canonical", "fake"]

_tries = 100
_letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def canonical(kind: str, value: str) -> str:
    """The one form of a value in which its written forms meet: `138-1234-5678` and `+86 13812345678` are one phone."""
    plain = view_of(value)
    if kind in ("email", "ipv6", *NAMES):
        return plain.casefold()
    if kind in ("secret", "ipv4"):
        return plain
    number = checks.bare(plain)
    return re.sub(r"^(?:00)?86(?=1[3-9]\d{9}$)", "", number) if kind == "phone" else number


def fake(kind: str, value: str, *, key: bytes, avoid: Collection[str] = ()) -> str:
    """A stand-in for `value`.

    Args:
        kind: of `KINDS` or `NAMES`.
        value: as it is written.
        key: under another key the same value has another stand-in.
        avoid: values of the same text in canonical form, none of which it may be.
    """
    same = canonical(kind, value)
    for attempt in range(_tries):
        stream = Stream(key, "fake", kind, same, str(attempt))
        stand_in = _makers.get(kind, _scrambled)(value, stream)
        if canonical(kind, stand_in) not in {same, *avoid}:
            return stand_in
    raise ValueError(f"no stand-in for a {kind} after {_tries} attempts")


def _poured(value: str, characters: str) -> str:
    """`characters` in the written form of `value`: its spaces, dashes, brackets and other words stay."""
    rest = iter(characters)
    view = view_of(value)
    return "".join(next(rest) if c.isascii() and c.isalnum() else old for c, old in zip(view, value, strict=True))


def _scrambled(value: str, stream: Stream) -> str:
    """Digits for digits, letters for letters."""
    return "".join(_like(old, stream) for old in view_of(value))


def _like(character: str, stream: Stream) -> str:
    if character.isdecimal():
        return stream.digits(1)
    if character.isascii() and character.isalpha():
        letter = stream.choice(_letters)
        return letter if character.isupper() else letter.lower()
    return character


def _cn_id(value: str, stream: Stream) -> str:
    bare = checks.bare(view_of(value))
    born = _day(stream)
    if len(bare) == 15:
        return _poured(value, f"{bare[:2]}9999{born:%y%m%d}{stream.digits(3)}")
    region = f"{bare[:3]}999" if bare[0] == "9" else f"{bare[:2]}9999"
    body = f"{region}{born:%Y%m%d}{stream.digits(3)}"
    return _poured(value, body + checks.cn_id_digit(body))


def _day(stream: Stream) -> dt.date:
    """A day of the years 1950 to 1999."""
    return dt.date(1950, 1, 1) + dt.timedelta(days=stream.below(18_262))


def _uscc(value: str, stream: Stream) -> str:
    bare = checks.bare(view_of(value))
    organisation = stream.digits(8)
    body = f"{bare[:4]}9999{organisation}{checks.organisation_digit(organisation)}"
    return _poured(value, body + checks.uscc_digit(body))


def _card(value: str, stream: Stream) -> str:
    bare = checks.bare(view_of(value))
    body = f"{bare[:2]}9999{stream.digits(len(bare) - 7)}"
    return _poured(value, body + checks.luhn_digit(body))


def _iban(value: str, stream: Stream) -> str:
    bare = checks.bare(view_of(value))
    bank = "".join("0" if character.isdigit() else "X" for character in bare[4:8])
    account = bank + _scrambled(bare[8:], stream)
    return _poured(value, bare[:2] + checks.iban_digits(bare[:2], account) + account)


def _hk_id(value: str, stream: Stream) -> str:
    bare = checks.bare(view_of(value))
    body = bare[:-7] + stream.digits(6)
    return _poured(value, body + next(c for c in "0123456789A" if checks.is_hk_id(body + c)))


def _tw_id(value: str, stream: Stream) -> str:
    body = value[:2] + stream.digits(7)
    return body + next(c for c in "0123456789" if checks.is_tw_id(body + c))


def _ssn(value: str, stream: Stream) -> str:
    return _poured(value, f"666{1 + stream.below(99):02d}{1 + stream.below(9999):04d}")


def _phone(value: str, stream: Stream) -> str:
    digits = "".join(character for character in view_of(value) if character.isdecimal())
    return _poured(_without_x(value), _phone_digits(digits, stream)) if digits else value


def _without_x(value: str) -> str:
    """The form with the `x` or `ext` of an extension as a dot, since no letter is poured into a number."""
    return re.sub(r"[A-Za-z]+", ".", value)


def _phone_digits(digits: str, stream: Stream) -> str:
    if mobile := re.fullmatch(r"((?:00)?86)?1[3-9]\d{9}", digits):
        return f"{mobile[1] or ''}154{stream.digits(8)}"
    if re.fullmatch(r"07\d{9}|(?:00)?447\d{9}", digits):
        return digits[:-9] + "700900" + stream.digits(3)
    if landline := re.match(r"0(?:10|2\d|[3-9]\d{2})(?=\d{7,})", digits):
        return landline[0] + "1" + stream.digits(len(digits) - landline.end() - 1)
    if american := re.fullmatch(r"((?:00)?1)?[2-9]\d{2}[2-9]\d{6}(\d*)", digits):
        area = f"{2 + stream.below(7)}9{stream.below(10)}"
        return f"{american[1] or ''}{area}555{stream.digits(4 + len(american[2]))}"
    return digits[:3] + stream.digits(len(digits) - 3)


def _email(_value: str, stream: Stream) -> str:
    name = "".join(stream.choice("bdfghklmnprstvz") + stream.choice("aeiou") for _ in range(5))
    return f"{name}@example.{stream.choice(('com', 'net', 'org'))}"


def _ipv4(_value: str, stream: Stream) -> str:
    return ".".join(map(str, (240 + stream.below(15), stream.below(256), stream.below(256), stream.below(256))))


def _ipv6(_value: str, stream: Stream) -> str:
    return f"2001:db8:{':'.join(f'{0x1000 + stream.below(0xF000):x}' for _ in range(6))}"


def _mac(value: str, stream: Stream) -> str:
    return _poured(value, "02" + "".join(stream.choice("0123456789abcdef") for _ in range(10)))


def _plate(value: str, stream: Stream) -> str:
    head, serial = re.split(r"(?<=^.{2})(?=.)", value, maxsplit=1)
    place = next(place for place, character in enumerate(serial) if character.isalnum())
    return f"{head}{serial[:place]}I{_scrambled(serial[place + 1 :], stream)}"


def _birth_date(value: str, stream: Stream) -> str:
    """Another day in the same form; the name of a month stays."""
    view = view_of(value)
    if re.fullmatch(r"\d{8}", view):
        return f"{_day(stream):%Y%m%d}"
    return re.sub(r"\d+", lambda match: _part(match[0], stream), view)


def _part(number: str, stream: Stream) -> str:
    """A year, or a number that is a month and a day alike, of as many digits."""
    if len(number) == 4:
        return str(1950 + stream.below(50))
    return str(1 + stream.below(9)) if len(number) == 1 else f"{1 + stream.below(12):02d}"


def _name(kind: str) -> Callable[[str, Stream], str]:
    return lambda value, stream: NAMES[kind](value, stream)


_makers: dict[str, Callable[[str, Stream], str]] = {
    "birth_date": _birth_date,
    "card": _card,
    "cn_id": _cn_id,
    "email": _email,
    "hk_id": _hk_id,
    "iban": _iban,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "mac": _mac,
    "phone": _phone,
    "plate": _plate,
    "tw_id": _tw_id,
    "us_ssn": _ssn,
    "uscc": _uscc,
    **{kind: _name(kind) for kind in NAMES},
}
