"""What names a group of texts: words, pairs of words, and runs of Chinese characters that are words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.text.terms import named_terms, pieces, stands_alone, tells


def test_terms_are_words_and_pairs_and_runs_of_characters():
    assert named_terms("Lost card") == {"lost", "card", "lost card"}
    assert named_terms("查余额") == {"查余", "余额", "查余额"}
    assert "transfer" not in named_terms("transfers")


def test_forms_of_a_word_share_pieces():
    assert len(pieces("transfers") & pieces("transferred")) >= 4


@pytest.mark.parametrize(
    ("term", "answer"), [("exchange rate", True), ("the rate", False), ("手续费", True), ("的手续", False)]
)
def test_function_words_name_nothing(term, answer):
    assert tells(term) is answer


def test_a_piece_of_a_chinese_word_does_not_stand_alone():
    texts = ["手续费太高", "转账手续费是多少", "退手续费"]
    assert stands_alone("手续费", texts)
    assert not stands_alone("续费", texts)


@given(st.text())
def test_any_text_has_terms_that_are_not_empty(text):
    assert all(named_terms(text)) and all(pieces(text))
