"""Repetition: by hand, and by building loops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics import repetition


def test_repeated_is_the_share_of_n_grams_that_were_there_before():
    # ab bc ca ab bc: 3 distinct of 5
    assert repetition.repeated(list("abcabc"), n=2) == pytest.approx(2 / 5)
    assert repetition.repeated(list("abcdef"), n=2) == 0


def test_a_text_without_an_n_gram_has_no_share():
    assert repetition.repeated(list("abc"), n=4) is None


@given(st.text(min_size=1, max_size=40).filter(str.strip), st.integers(24, 60), st.integers(0, 39))
def test_a_piece_said_over_and_over_is_a_loop_even_if_cut(piece, times, cut):
    piece = piece.strip()
    assert repetition.ends_in_loop("So: " + piece * times + piece[:cut].rstrip())


@pytest.mark.parametrize(
    "text", ["", "ha ha ha ha", "......", "余额已到账。", "1. one\n2. two\n3. three\n4. four\n5. five"]
)
def test_ordinary_answers_are_no_loops(text):
    assert not repetition.ends_in_loop(text)
