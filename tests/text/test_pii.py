"""Personal data is found inside Chinese and English sentences, and ordinary numbers are left alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.text import pii

NUMBERS = ["110101199003070396", "13812345678", "4111 1111 1111 1111", "10.0.0.17", "+44 7700 900456", "12"]
WORDS = ["a.b@example.com", "https://u:p@x.example/?token=abc", "[PHONE]", "order", "请", " ", "-", "。", "x"]
PIECES = st.sampled_from([*NUMBERS, *WORDS])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("手机13812345678请尽快处理", "手机[PHONE]请尽快处理"),
        ("手机１３８１２３４５６７８。", "手机[PHONE]。"),
        ("打138-1234-5678或+86 138 1234 5678", "打[PHONE]或[PHONE]"),
        ("座机010-12345678", "座机[PHONE]"),
        ("身份证110101199003070396号", "身份证[CN_ID]号"),
        ("卡号6222021234567890128已丢", "卡号[CARD]已丢"),
        ("card 4111 1111 1111 1111 12 people", "card [CARD] 12 people"),
        ("zhangwei@qq.com请", "[EMAIL]请"),
        ("call (212) 555-0147, 415-555-0132 or 07700 900123", "call [PHONE], [PHONE] or [PHONE]"),
        ("from 192.168.1.20请查", "from [IPV4]请查"),
        ("https://me:pass@x.example/?a=1&token=abcDEF请", "https://[SECRET]@x.example/?a=1&token=[SECRET]请"),
    ],
)
def test_each_kind_is_masked_in_a_sentence(text, masked):
    assert pii.mask(text)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "身份证110101199003070397号",
        "身份证990101199003070396号",
        "card 4111 1111 1111 1112",
        "order 732201349959 of 2024-01-02 12:30",
        "6000-600-150-1200-2000=2050",
        "pi is 3.13812345678",
        "1阴性2.3.4.5.阳性",
        "netmask 255.255.255.0",
        "price 1,250.00 for 3 items",
        "SKU13812345678A",
    ],
)
def test_ordinary_and_wrong_numbers_stay(text):
    assert pii.mask(text)[0] == text


@given(st.lists(PIECES, max_size=8).map("".join))
def test_masking_twice_masks_nothing_more(text):
    once, _ = pii.mask(text)
    assert pii.mask(once) == (once, {})


@given(st.text(max_size=60))
def test_findings_are_in_order_and_do_not_overlap(text):
    findings = pii.find(text)
    assert all(left.end <= right.start for left, right in itertools.pairwise(findings))


@given(st.integers(0, 10**17 - 1), st.sampled_from("0123456789X"))
def test_of_eleven_check_characters_at_most_one_is_right(body, check):
    number = f"{body:017d}"
    right = [character for character in "0123456789X" if pii.is_cn_id(number + character)]
    assert len(right) <= 1
    assert pii.is_cn_id(number + check) == (check in right)


def test_counts_are_by_kind_and_only_of_the_kinds_asked_for():
    text = "a@example.com b@example.com 13812345678"
    assert pii.mask(text)[1] == {"email": 2, "phone": 1}
    assert pii.mask(text, kinds=["phone"])[0] == "a@example.com b@example.com [PHONE]"


def test_allowed_values_stay():
    assert pii.mask("call 010-12345678 or 13812345678", allow=["010-12345678"])[0] == "call 010-12345678 or [PHONE]"
