"""Probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.calibration import Scale, calibration_error, platt, reliability

RANDOM = np.random.default_rng(0)


def test_platt_finds_the_scale_that_made_the_labels():
    logits = RANDOM.normal(0, 2, 20_000)
    truth = Scale(1.7, -0.6)(logits)
    positive = RANDOM.random(20_000) < truth
    found = platt(logits, positive)
    assert found == pytest.approx((1.7, -0.6), abs=0.1)
    assert calibration_error(found(logits), positive) < 0.01


def test_a_separable_set_still_has_a_finite_scale():
    found = platt(np.array([-2.0, -1, 1, 2]), np.array([False, False, True, True]))
    assert 0 < found.slope < 100
    assert found(np.array([2.0]))[0] < 0.95


def test_overconfidence_is_an_error():
    positive = np.array([True] * 60 + [False] * 40)
    assert calibration_error(np.full(100, 0.6), positive) == pytest.approx(0)
    assert calibration_error(np.full(100, 0.99), positive) == pytest.approx(0.39)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_every_row_is_in_one_bin(rows):
    probabilities, positive = np.array([p for p, _ in rows]), np.array([y for _, y in rows])
    curve = reliability(probabilities, positive)
    assert sum(one.n for one in curve) == len(rows)
    assert all(one.low <= one.predicted <= one.high + 1e-12 for one in curve)


def test_one_class_cannot_be_scaled():
    with pytest.raises(ValueError, match="0 positive"):
        platt(np.array([1.0]), np.array([False]))
