"""Numerals: a value to words and back, in Chinese and English."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.text import numerals_en, numerals_zh

WHOLE = st.integers(0, 120_000) | st.integers(-(10**15) + 1, 10**15 - 1)
PARTS = st.decimals(-(10**9), 10**9, places=4, allow_nan=False)


@given(WHOLE | PARTS, st.booleans())
def test_a_chinese_numeral_says_its_value(value, formal):
    assert numerals_zh.parse(numerals_zh.spell(value, formal=formal)) == value


@given(WHOLE | PARTS)
def test_english_words_say_their_value(value):
    assert numerals_en.parse(numerals_en.spell(value)) == value


@given(st.text("0123456789", min_size=1), st.booleans())
def test_digits_read_one_by_one_come_back(digits, telephone):
    assert numerals_zh.parse_sequence(numerals_zh.spell_sequence(digits, telephone=telephone)) == digits


@given(st.text(numerals_zh.CHARACTERS + "点负", max_size=12))
def test_any_run_of_numerals_is_a_value_or_none(text):
    value = numerals_zh.parse(text)
    assert value is None or numerals_zh.parse(numerals_zh.spell(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("一百二", 120), ("一百零二", 102), ("三万五", 35_000), ("3万5", 35_000), ("1亿2千万", 120_000_000)),
        *(("两千零五", 2005), ("廿五", 25), ("壹佰贰拾叁", 123), ("一万亿", 10**12), ("负三点五", Decimal("-3.5"))),
    ],
)
def test_written_and_spoken_forms_have_one_value(text, value):
    assert numerals_zh.parse(text) == value


@pytest.mark.parametrize(
    "text", ["三五", "七八十", "十七八", "两十", "零五", "一千零", "万", "百", "二〇二四", "", "点五"]
)
def test_ranges_and_scraps_are_no_numbers(text):
    assert numerals_zh.parse(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("twenty-five hundred", 2500), ("two and a half million", 2_500_000), ("a hundred and one thousand", 101_000)],
)
def test_english_forms_have_one_value(text, value):
    assert numerals_en.parse(text) == value


@pytest.mark.parametrize(
    "text", ["twenty twenty-four", "five and ten", "hundred", "thirty hundred", "and five", "one two"]
)
def test_words_that_make_no_single_number_are_none(text):
    assert numerals_en.parse(text) is None
