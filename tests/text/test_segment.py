"""Scripts and counted units."""

from __future__ import annotations

import pytest

from seekloop.text.segment import language_of, ngrams, tokens


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I lost my card", "en"),
        ("我的卡丢了", "zh"),
        ("我想在 App Store 下载", "zh"),
        ("カードをなくしました", "ja"),
        ("카드를 잃어버렸어요", "ko"),
        ("купить дешево", "ru"),
        ("12345 !!! 👍", "und"),
        ("", "und"),
    ],
)
def test_the_language_is_told_by_script(text, language):
    assert language_of(text) == language


def test_units_are_words_of_alphabets_and_single_chinese_characters():
    assert tokens("My VISA卡 isn't 3.5%") == ["my", "visa", "卡", "isn't", "3.5"]


def test_ngrams_of_a_short_list_are_none():
    assert ngrams(["a"], 2) == []
    assert ngrams(["a", "b", "c"], 2) == [("a", "b"), ("b", "c")]
