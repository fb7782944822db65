"""Several questions at once, rows in groups, and how many more rows would tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.multiplicity import benjamini_hochberg, holm
from seekloop.metrics.paired import design_effect, paired_share
from seekloop.metrics.power import rows_to_decide
from seekloop.metrics.significance import mcnemar, paired_share_difference

p_values = st.lists(st.floats(0, 1), max_size=12)


def test_corrections_equal_values_computed_by_hand():
    # 0.01 x 3, then 0.02 x 2 = 0.04, then 0.04 stays: it may not fall below the one before.
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert benjamini_hochberg([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.03])


@given(p_values)
def test_corrected_values_keep_their_order_and_never_fall(values):
    adjusted, found = holm(values), benjamini_hochberg(values)
    assert all(p <= q + 1e-12 and q <= h + 1e-12 and h <= 1 for p, q, h in zip(values, found, adjusted, strict=True))
    for corrected in (adjusted, found):
        assert sorted(corrected) == [corrected[place] for place in sorted(range(len(values)), key=values.__getitem__)]


@given(p_values, st.floats(0, 1))
def test_one_question_more_lowers_no_corrected_value(values, further):
    assert all(more >= less for less, more in zip(holm(values), holm([*values, further]), strict=False))


@pytest.mark.parametrize("bad", [float("nan"), -0.1, 1.1])
def test_what_is_no_p_value_is_refused(bad):
    with pytest.raises(ValueError, match="not p-values"):
        holm([0.5, bad])


def test_rows_that_stand_for_themselves_are_compared_exactly():
    first, second = [True] * 9 + [False] * 3, [False] * 2 + [True] * 7 + [True] + [False] * 2
    found = paired_share(first, second, groups=range(12), seed=0)
    assert found == (paired_share_difference(2, 1, n=12), mcnemar(2, 1), 1.0)


def test_copies_of_rows_tell_no_more_than_the_rows():
    first, second = [True, True, False, True, False] * 6, [True, False, False, True, True] * 6
    groups = list(range(30))
    alone = paired_share(first, second, groups=groups, seed=0)
    tripled = paired_share(first * 3, second * 3, groups=groups * 3, seed=0)
    assert tripled.design_effect == pytest.approx(3, rel=0.05)
    assert tripled.interval == pytest.approx(alone.interval, abs=0.01)


def test_groups_without_a_difference_count_as_one_row_each():
    right = [True] * 40
    found = paired_share(right, right, groups=[index // 4 for index in range(40)], seed=0)
    assert found.interval == pytest.approx(paired_share_difference(0, 0, n=10))


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 4)), min_size=1, max_size=40))
def test_groups_never_make_rows_worth_more(rows):
    values, groups = zip(*rows, strict=True)
    assert design_effect(values, groups) >= 1


def test_the_promised_rows_tell_in_four_of_five_cases():
    # A gain of 6 points, 20 % of rows differing: simulate the number of rows that an interval on 200 asks for.
    half = (paired_share_difference(26, 14, n=200).high - paired_share_difference(26, 14, n=200).low) / 2
    n = rows_to_decide((0.06 - half, 0.06 + half), n=200, margin=0.0)
    drawn = np.random.default_rng(4).multinomial(n, [0.13, 0.07, 0.8], size=2000)
    told = [paired_share_difference(int(won), int(lost), n=n).low > 0 for won, lost, _ in drawn]
    assert np.mean(told) == pytest.approx(0.8, abs=0.05)


@given(st.floats(-0.4, 0.4), st.floats(0.01, 0.4), st.integers(10, 500), st.floats(0.01, 0.1))
def test_more_questions_or_more_power_need_no_fewer_rows(difference, half, n, margin):
    interval = (difference - half, difference + half)
    least = rows_to_decide(interval, n=n, margin=margin)
    assert rows_to_decide(interval, n=n, margin=margin, questions=5) >= least
    assert rows_to_decide(interval, n=n, margin=margin, power=0.95) >= least
    assert rows_to_decide(interval, n=n, margin=margin + 0.05) <= least


def test_without_a_margin_no_number_of_rows_tells_no_difference():
    assert rows_to_decide((-0.1, 0.1), n=10, margin=0.0) == 10**9
    assert rows_to_decide((-0.1, 0.1), n=10, margin=1e-287) == 10**9
