"""One written form for text, and the key under which duplicates meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.text.normalize import key, normalize, scrub

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_normalising_twice_changes_nothing_more(text):
    assert normalize(normalize(text)) == normalize(text)


@given(ANY_TEXT)
def test_normalised_text_can_be_encoded_and_has_no_controls(text):
    result = normalize(text)
    result.encode("utf-8")
    assert not any(ord(character) < 32 and character not in "\n\t" for character in result)


@given(ANY_TEXT)
def test_the_key_does_not_depend_on_whether_the_text_was_normalised(text):
    assert key(normalize(text)) == key(text)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("ＡＢＣ１２３", "ABC123"),
        ("下午３：３０", "下午3:30"),
        ("我的卡丢了，怎么办？", "我的卡丢了，怎么办？"),
        ("１，０００元，３０，４００", "1,000元，30,400"),
        ("高压130，低压80，共130，80", "高压130，低压80，共130，80"),
        ("x² + ½ ①", "x² + ½ ①"),
        ("cafe\u0301", "café"),
        ("a\u200bb\ufeffc\u00a0d", "abc d"),
        ("  two   spaces  ", "two spaces"),
        ("line one  \r\n\r\n\r\n\r\nline two", "line one\n\nline two"),
        ("def f():\n    return  1", "def f():\n    return  1"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
    ],
)
def test_what_is_changed_and_what_stays(given_text, expected):
    assert normalize(given_text) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("I lost my card!", "i LOST  my card"),
        ("I can't pay", "i cant pay"),
        ("我的卡丢了，怎么办？", "我的 卡丢了 怎么办"),
        ("请问ＡＴＭ在哪里", "请问 atm 在哪里？"),
    ],
)
def test_case_width_punctuation_and_spacing_do_not_part_duplicates(left, right):
    assert key(left) == key(right)


@pytest.mark.parametrize(
    ("left", "right"), [("rate 1.5%", "rate 15%"), ("at 10:30", "at 1030"), ("C++", "C#"), ("?", "!")]
)
def test_marks_that_carry_meaning_keep_texts_apart(left, right):
    assert key(left) != key(right)


def test_a_lone_surrogate_becomes_the_replacement_character():
    assert scrub("a\ud83d") == "a\ufffd"
