"""Rank correlation, maps that never fall, and intervals that predictions narrow but do not bend."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.association import isotonic, line, spearman
from seekloop.metrics.powered import powered_mean

numbers = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


def ranks(values):
    """Middle ranks, counted one by one."""
    return [sum(other < one for other in values) + (sum(other == one for other in values) + 1) / 2 for one in values]


def test_rank_correlation_of_a_known_table():
    # Spearman's own example form: 1 - 6 sum d^2 / (n (n^2 - 1)) without ties; d = 0, 1, 1, 0, 0.
    value = spearman(np.array([1, 2, 3, 4, 5.0]), np.array([10, 30, 20, 40, 50.0]))(np.ones((1, 5)))
    assert value == pytest.approx([0.9])


@given(pairs=numbers)
def test_rank_correlation_is_the_correlation_of_middle_ranks(pairs):
    x, y = (list(side) for side in zip(*pairs, strict=True))
    value = spearman(np.array(x, float), np.array(y, float))(np.ones((1, len(x))))[0]
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(value)
    else:
        assert value == pytest.approx(np.corrcoef(ranks(x), ranks(y))[0, 1])


@given(pairs=numbers)
def test_weights_are_repetitions(pairs):
    x, y = (np.array(side, float) for side in zip(*pairs, strict=True))
    twice = spearman(np.repeat(x, 2), np.repeat(y, 2))(np.ones((1, 2 * len(x))))
    assert spearman(x, y)(np.full((1, len(x)), 2.0)) == pytest.approx(twice, nan_ok=True)


@given(pairs=numbers)
def test_the_isotonic_map_is_the_best_of_those_that_never_fall(pairs):
    steps = isotonic(*(np.array(side, float) for side in zip(*pairs, strict=True)))
    groups = [[y for x, y in pairs if x == place] for place in steps.at]
    for place, value in enumerate(steps.values):
        # The min-max formula of isotonic regression (Robertson, Wright and Dykstra 1988, 1.4).
        means = [
            [np.mean(list(itertools.chain(*groups[low : high + 1]))) for high in range(place, len(groups))]
            for low in range(place + 1)
        ]
        assert value == pytest.approx(max(min(row) for row in means))


def test_a_line_is_found_again_and_flat_where_nothing_varies():
    x = np.array([0, 1, 2, 3.0])
    assert line(x, 2 * x + 1) == pytest.approx((2, 1))
    assert line(np.ones(4), x) == pytest.approx((0, 1.5))


def test_powered_intervals_hold_the_truth_as_often_as_they_say():
    random, held, narrow, runs = np.random.default_rng(5), 0, 0.0, 2000
    for _ in range(runs):
        truth = random.normal(3.0, 1.0, 300)
        judged = 0.8 * truth + 1.5 + random.normal(0, 0.5, 300)
        found = powered_mean(truth[:30], judged[:30], others=judged[30:])
        held += found.ci.low <= 3.0 <= found.ci.high
        narrow += (found.ci.high - found.ci.low) / (2 * 2.045 * truth[:30].std(ddof=1) / 30**0.5)
    assert 0.93 <= held / runs <= 0.97
    assert narrow / runs < 0.75


def test_predictions_that_tell_nothing_change_nothing():
    random = np.random.default_rng(1)
    labels = random.normal(3, 1, 200)
    flat = powered_mean(labels, np.full(200, 4.0), others=np.full(500, 4.0))
    assert (flat.weight, flat.value) == (0.0, pytest.approx(labels.mean()))
    contrary = powered_mean(labels, -labels, others=random.normal(-3, 1, 500))
    assert contrary.weight == 0.0


def test_too_few_labels_are_refused():
    with pytest.raises(ValueError, match="4 labels"):
        powered_mean(np.ones(4), np.ones(4), others=np.ones(9))
