"""Windows over long texts, and what sums of log-probabilities come to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics import likelihood


def test_perplexity_of_a_coin_is_two():
    counts = np.array([10 * math.log(2), 10.0])
    assert float(likelihood.perplexity(counts)) == pytest.approx(2)
    assert float(likelihood.bits_per_byte(np.array([10 * math.log(2), 5.0]))) == pytest.approx(2)


def test_nothing_scored_is_no_number_and_not_zero():
    assert math.isnan(float(likelihood.perplexity(np.zeros(2))))


@given(st.integers(0, 300), st.integers(1, 40), st.data())
def test_every_token_but_the_first_is_scored_once_where_windows_overlap(length, context, data):
    stride = data.draw(st.integers(1, context))
    windows = list(likelihood.windows(length, context=context, stride=stride))
    scored = [place for one in windows for place in range(one.scored, one.end)]
    assert len(scored) == len(set(scored))
    assert all(one.end - one.begin <= context and one.begin < one.scored < one.end for one in windows)
    # Without an overlap the first token of a window has nothing before it.
    heads = set(range(0, length, stride)) if stride == context else {0}
    assert set(scored) == set(range(length)) - heads
    assert all(one.scored - one.begin >= min(context - stride, one.begin + 1) for one in windows)


@pytest.mark.parametrize("stride", [0, 9])
def test_a_stride_that_leaves_tokens_out_is_our_defect(stride):
    with pytest.raises(ValueError, match="stride"):
        list(likelihood.windows(10, context=8, stride=stride))
