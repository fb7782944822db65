"""Check digits, calendar dates and number ranges: what tells a number of a kind from any other number."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Iterable

__all__ = [
    "IBAN_LENGTHS",
    "bare",
    "cn_id_digit",
    "iban_digits",
    "is_birth_date",
    "is_card",
    "is_cn_id",
    "is_hk_id",
    "is_iban",
    "is_ipv4",
    "is_ipv6",
    "is_luhn",
    "is_old_cn_id",
    "is_plain_ipv4",
    "is_ssn",
    "is_tw_id",
    "is_uscc",
    "luhn_digit",
    "organisation_digit",
    "uscc_digit",
]

_provinces = frozenset(
    (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83)
)
"""First two digits: the provinces of GB/T 2260."""
_id_weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_uscc_alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_uscc_values = {character: value for value, character in enumerate(_uscc_alphabet)}
_organisation_weights = (3, 7, 9, 10, 5, 8, 4, 2)
_issuers = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Visa, Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|(?:2131|1800)\d{11}"  # Amex, Diners, JCB
    r"|(?:62|81|60|65|6[6-9])\d{14,17}|64[4-9]\d{13,16}|9558\d{15}"  # UnionPay, Discover, China
    r"|(?:50[12]\d|5038|5[6-8]\d\d|6304|6759|676\d)\d{8,15}"  # Maestro
)
IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "FK", "FO", "GL", "NL", "SD"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "MN", "XK"), 20),
    **dict.fromkeys(("CH", "CR", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "DE", "GB", "GE", "IE", "ME", "RS", "VA"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "IQ", "OM", "SO", "TL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "GT", "HU", "LB", "NI", "PL", "SV"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    "LC": 32,
    "RU": 33,
}
"""Characters of an IBAN by country (SWIFT IBAN registry)."""
_month_names = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_not_alnum = re.compile(r"[^0-9A-Za-z]")


def bare(number: str) -> str:
    """Its letters and digits, upper-case, without what stands between them."""
    return _not_alnum.sub("", number).upper()


def is_plain_ipv4(text: str) -> bool:
    """An address that is no numbering such as `2.3.4.5`."""
    return is_ipv4(text) and max(int(part) for part in text.split(".")) >= 10


def _is_date(year: int, *, month: int, day: int) -> bool:
    """Whether there is such a day, of a person who may be alive or be in old records."""
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return 1880 <= year <= 2099


def cn_id_digit(body: str) -> str:
    """The check character of 17 digits of a resident identity number (GB 11643, ISO 7064 MOD 11-2)."""
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, _id_weights, strict=True)) % 11]


def is_cn_id(number: str) -> bool:
    """Whether 18 characters are a resident identity number (GB 11643): province, birthday, check character.

    The permanent residence card of foreigners (2023) has the same form with a 9 before the province.
    """
    number = bare(number)
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdigit()):
        return False
    return _has_id_form(number) and number[17] == cn_id_digit(number[:17])


def _has_id_form(number: str) -> bool:
    """Whether there is a province and a day where an identity number has them."""
    born = number[6:14]
    province = int(number[1:3] if number[0] == "9" else number[:2])
    return (
        born.isdigit() and province in _provinces and _is_date(int(born[:4]), month=int(born[4:6]), day=int(born[6:]))
    )


def is_old_cn_id(number: str) -> bool:
    """Whether 15 digits have the form of a resident identity number before 1999; it has no check digit."""
    province, year, month, day = int(number[:2]), int(number[6:8]), int(number[8:10]), int(number[10:12])
    return province in _provinces and _is_date(1900 + year, month=month, day=day)


def luhn_digit(body: str) -> str:
    """The check digit of a card number without it (ISO/IEC 7812-1)."""
    doubled = [int(digit) * (1 if place % 2 else 2) for place, digit in enumerate(reversed(body))]
    return str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def is_card(number: str) -> bool:
    """Whether digits are a payment card number: an issuer's range and length, not nearly all alike, Luhn sum."""
    number = bare(number)
    if not _issuers.fullmatch(number) or len(set(number)) == 1:
        return False
    return number[-1] == luhn_digit(number[:-1])


def is_luhn(number: str) -> bool:
    """Whether digits have the Luhn sum of any card number and are not nearly all alike."""
    return number[-1] == luhn_digit(number[:-1]) and len(set(number)) > 2


def uscc_digit(body: str) -> str:
    """The check character of 17 characters of a unified social credit code (GB 32100, MOD 31)."""
    return _uscc_alphabet[-sum(_uscc_values[c] * pow(3, place, 31) for place, c in enumerate(body)) % 31]


def organisation_digit(body: str) -> str:
    """The check character of 8 characters of an organisation code (GB 11714, MOD 11)."""
    total = sum(int(c, 36) * weight for c, weight in zip(body, _organisation_weights, strict=True))
    return "0123456789X0"[11 - total % 11]


def is_uscc(number: str) -> bool:
    """Whether 18 characters are a unified social credit code.

    One that is nearly all digits could be many a number: it must also be of a usual registry (government 1, civil
    affairs 5, commerce 9) and pass the check digit of the organisation code in it.
    """
    number = bare(number)
    if not set(number) <= _uscc_values.keys() or int(number[2:4]) not in {*_provinces, 10}:
        return False
    if sum(character.isdigit() for character in number) > 16:
        usual = number[0] in "159" and number[1] in "1239"
        if not usual or number[16] != organisation_digit(number[8:16]) or _has_id_form(number):
            return False
    return number[17] == uscc_digit(number[:17])


def is_iban(number: str) -> bool:
    """Whether it is an IBAN: a country's length, and 1 modulo 97 (ISO 13616, ISO 7064)."""
    number = bare(number)
    return len(number) == IBAN_LENGTHS.get(number[:2]) and _modulo_97(number) == 1


def iban_digits(country: str, account: str) -> str:
    """The two check digits between a country and an account."""
    return f"{98 - _modulo_97(f'{country}00{account}'):02d}"


def _modulo_97(number: str) -> int:
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97


def is_hk_id(number: str) -> bool:
    """Whether it is a Hong Kong identity card number: one or two letters, six digits, check character (MOD 11)."""
    number = bare(number)
    letters = number[:-7]
    values = [36] * (2 - len(letters)) + [int(character, 36) for character in number[:-1]]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return number[-1] == "0123456789A"[-total % 11]


def is_tw_id(number: str) -> bool:
    """Whether it is a Taiwan identity or resident number: region letter, sex, eight digits, check digit (MOD 10)."""
    region = "ABCDEFGHJKLMNPQRSTUVXYWZIO".find(number[0].upper()) + 10
    digits = [region // 10, region % 10, *_tw_digits(number[1:].upper())]
    return (
        sum(value * weight for value, weight in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0
    )


def _tw_digits(rest: str) -> Iterable[int]:
    """Old resident numbers have a second letter, which counts as the last digit of its region number."""
    return ("ABCD".find(c) if c.isalpha() else int(c) for c in rest)


def is_ssn(number: str) -> bool:
    """Whether it may be a US social security number: no area 000, 666 or 900 on, no group 00, no serial 0000."""
    digits = bare(number)
    area = int(digits[:3])
    return area not in (0, 666) and area < 900 and digits[3:5] != "00" and digits[5:] != "0000"


def is_ipv4(text: str) -> bool:
    """A host's address; netmasks are nobody's."""
    parts = [int(part) for part in text.split(".")]
    return 0 < parts[0] < 255 and max(parts) <= 255


def is_ipv6(text: str) -> bool:
    """A host's address, whole or shortened, that cannot be a time or a scope in source code."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    telling = text.count(":") >= 3 or len(text.partition(":")[0]) == 4
    return telling and any(c.isdigit() for c in text) and int(address) >> 64 != 0


def is_birth_date(text: str) -> bool:
    """Whether the text is a day of the calendar in one of the usual written forms."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    month = next((place for place, name in enumerate(_month_names, 1) if name in text.lower()), None)
    if month is not None:
        return _is_date(max(numbers), month=month, day=min(numbers))
    if len(numbers) == 1:
        return _is_date(numbers[0] // 10000, month=numbers[0] // 100 % 100, day=numbers[0] % 100)
    first, second, third = numbers
    if first > 31:
        return _is_date(first, month=second, day=third)
    return _is_date(third, month=first, day=second) or _is_date(third, month=second, day=first)
