"""Identity numbers, accounts, documents and dates of birth."""

from __future__ import annotations

import re

from seekloop.text.pii import checks
from seekloop.text.pii.context import words
from seekloop.text.pii.pattern import Pattern, number, regex

__all__ = ["DOCUMENTS", "NUMBERS", "RARE"]

_id = words("身份证,身分證,身份證,证件,證件,户口,公民身份,居留,id,id card,identity,resident,identification")
_card = words(
    "卡,账号,账户,帐号,帐户,尾号,收款,转账,card,cards,credit,debit,cc,visa,mastercard,amex,unionpay,maestro,diners,jcb,"
    "discover,account,pan"
)
_birth = words("出生,生日,生于,生辰,诞辰,born,dob,d.o.b,birth,birthday,birthdate")
_permit = words("通行证,通行證,回乡证,台胞证,permit,home return")
_passport = words("护照,護照,旅行证,passport,travel document")
_licence = words(
    "驾照,驾驶证,驾驶执照,driver's license,drivers license,driver license,driver's licence,driving licence,"
    "driving license,dl"
)
_ssn = words("社会安全号,社安号,ssn,social security")
_hk = words("香港,港澳,身份证,身份證,hkid,hong kong,id,identity")
_tw = words("台湾,臺灣,台灣,身份证,身分證,身份證,居留,taiwan,arc,id,identity")
RARE = re.compile("|".join(group.pattern for group in (_id, _birth, _permit, _passport, _licence, _ssn, _hk, _tw)))
"""Context without which the patterns that need an `r` find nothing; matched against lower-case text."""

_u = "[0-9A-HJ-NP-RTUWXYa-hj-np-rtuwxy]"
_months = "(?i:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[A-Za-z]{0,6}\\.?"
_no_dash = "(?![0-9A-Za-z-])"
_ones, _tens = r"\d{1,2}", r"(?:19|20)\d\d"


def _iban_forms() -> str:
    forms = []
    for length in sorted(set(checks.IBAN_LENGTHS.values())):
        countries = "|".join(country for country, n in checks.IBAN_LENGTHS.items() if n == length)
        groups, rest = divmod(length - 4, 4)
        tail = f"[ ]?[A-Z0-9]{{{rest}}}" if rest else ""
        forms.append(f"(?:{countries})[0-9]{{2}}(?:[ ]?[A-Z0-9]{{4}}){{{groups}}}{tail}")
    return "|".join(forms)


def _is_licence(text: str) -> bool:
    return 6 <= sum(character.isdigit() for character in text) <= 15


NUMBERS: tuple[Pattern, ...] = (
    Pattern(
        kind="cn_id",
        regex=number(
            "[1-9]",
            r"(?:\d{5}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3}[ -]?[\dXx]|\d{3}([ -])\d{4}\2\d{4}\2\d{4}\2\d[\dXx]"
            r"|\d\d[ -]\d{3}[ -]\d{4}[ -]\d{4}[ -]\d{3}[\dXx])",
        ),
        check=checks.is_cn_id,
        digits=17,
        proven=True,
    ),
    Pattern(
        kind="iban",
        regex=re.compile(
            rf"((?=[A-Z]{{2}}[0-9]{{2}})(?<![0-9A-Za-z])(?:{_iban_forms()}))(?![0-9A-Za-z])", re.ASCII | re.IGNORECASE
        ),
        check=checks.is_iban,
        digits=7,
        needs="a",
        proven=True,
    ),
    Pattern(
        kind="uscc",
        regex=number("[1-9ANYany]", rf"[1-9Aa]\d{{6}}(?:{_u}{{10}}|[ ]{_u}{{9}}[ ]{_u})"),
        check=checks.is_uscc,
        digits=8,
        proven=True,
    ),
    Pattern(
        kind="hk_id",
        regex=number("[A-Z]", r"[A-Z]?\d{6}[ ]?\([0-9A]\)", end=""),
        check=checks.is_hk_id,
        digits=6,
        needs="a(",
        proven=True,
    ),
    Pattern(
        kind="hk_id",
        regex=number("[A-Z]", r"[A-Z]?\d{6}[0-9A]"),
        check=checks.is_hk_id,
        base=0.4,
        context=_hk,
        digits=6,
        needs="ar",
    ),
    Pattern(
        kind="tw_id",
        regex=number("[A-Z]", r"[1289A-D]\d{8}"),
        check=checks.is_tw_id,
        base=0.45,
        context=_tw,
        digits=8,
        needs="ar",
    ),
    Pattern(
        kind="cn_id",
        regex=number("[1-8]", r"\d{14}"),
        check=checks.is_old_cn_id,
        base=0.4,
        context=_id,
        digits=15,
        needs="r",
    ),
    Pattern(
        kind="card",
        regex=number(
            "[2-69]",
            r"(?:\d{3}([ -])\d{4}\2\d{4}\2\d{4}(?:\2\d{1,3})?|[47]\d\d[ -]\d{6}[ -]\d{5}|\d{5}[ -]\d{13})",
        ),
        check=checks.is_card,
        base=0.85,
        context=_card,
        digits=15,
        needs="-",
    ),
    # The same where another number stands behind it.
    Pattern(
        kind="card",
        regex=number("[2-69]", r"\d{3}([ -])\d{4}\2\d{4}\2\d{4}"),
        check=checks.is_card,
        base=0.85,
        context=_card,
        digits=16,
        needs="-",
    ),
    Pattern(kind="card", regex=number("6", r"2\d{14,17}"), check=checks.is_card, base=0.85, context=_card, digits=16),
    Pattern(
        kind="card", regex=number("[2-69]", r"\d{13,15}"), check=checks.is_card, base=0.7, context=_card, digits=14
    ),
    Pattern(kind="card", regex=number(r"\d", r"\d{11,18}"), check=checks.is_luhn, base=0.2, context=_card, digits=12),
    Pattern(
        kind="us_ssn",
        regex=number("[0-8]", r"\d\d-\d\d-\d{4}", end=_no_dash),
        check=checks.is_ssn,
        base=0.7,
        context=_ssn,
        digits=9,
        needs="-",
    ),
    Pattern(
        kind="us_ssn",
        regex=number("[0-8]", r"\d\d[ ]?\d\d[ ]?\d{4}"),
        check=checks.is_ssn,
        base=0.2,
        context=_ssn,
        digits=9,
        needs="r",
    ),
)
"""What has a check digit or a form of its own."""

DOCUMENTS: tuple[Pattern, ...] = (
    Pattern(
        kind="birth_date",
        regex=number(
            "[12]", rf"[09]\d\d(?:([-/.]){_ones}\2{_ones}|[ ]?年[ ]?{_ones}[ ]?月[ ]?{_ones}[ ]?[日号]?|\d{{4}})"
        ),
        check=checks.is_birth_date,
        base=0.2,
        context=_birth,
        digits=6,
        needs="r",
    ),
    Pattern(
        kind="birth_date",
        regex=number(r"\d", rf"\d?(?:[/.-]{_ones}[/.-]{_tens}|(?:st|nd|rd|th)?[ ](?:of )?{_months},?[ ]{_tens})"),
        check=checks.is_birth_date,
        base=0.2,
        context=_birth,
        digits=5,
        needs="r",
    ),
    Pattern(
        kind="birth_date",
        regex=regex(rf"((?<![0-9A-Za-z]){_months}[ ]{_ones}(?:st|nd|rd|th)?,?[ ]{_tens})(?![0-9A-Za-z])"),
        check=checks.is_birth_date,
        base=0.2,
        context=_birth,
        digits=5,
        needs="ar",
    ),
    Pattern(
        kind="travel_permit",
        regex=number("[0-9CHMchm]", r"[A-Za-z]?\d{7,10}"),
        base=0.2,
        context=_permit,
        digits=8,
        needs="r",
    ),
    Pattern(
        kind="passport",
        regex=number("[0-9A-Za-z]", r"[A-Za-z]?\d{6,9}"),
        base=0.3,
        context=_passport,
        digits=6,
        needs="r",
    ),
    Pattern(
        kind="driver_licence",
        regex=number("[0-9A-Za-z]", r"[A-Za-z]?[0-9][0-9-]{3,16}[0-9]"),
        check=_is_licence,
        base=0.1,
        context=_licence,
        digits=6,
        needs="r",
    ),
    Pattern(
        kind="plate",
        regex=regex(
            "([京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Za-hj-np-z][·•. -]?"
            "(?:(?=[0-9A-Za-z]*\\d[0-9A-Za-z]*\\d[0-9A-Za-z]*\\d)[A-HJ-NP-Za-hj-np-z0-9]{5}"
            "|[A-HJKa-hjk][A-HJ-NP-Za-hj-np-z0-9]\\d{4}|\\d{5}[A-HJKa-hjk]|[A-HJ-NP-Z0-9]{4}[挂学警港澳]))(?![0-9A-Za-z])"
        ),
        digits=3,
        needs="a",
    ),
)
"""What only the words around it tell, and number plates."""
