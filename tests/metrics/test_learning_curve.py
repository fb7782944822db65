"""Power laws are found again, and what they foretell is as uncertain as it should be."""

from __future__ import annotations

import numpy as np
import pytest

from seekloop.metrics.learning_curve import Curve, curves, fit, foretold, gain, rows_for

SIZES = (100, 200, 400)


def scores(truth: Curve, *, seed: int, n: int = 400):
    """Rows that are right as often as the curve says; a row that is hard stays hard."""
    hardness = np.random.default_rng(seed).random(n)
    return np.array([(hardness < truth(size)).astype(float) for size in SIZES])


@pytest.mark.parametrize("truth", [Curve(0.0, 2.0, 0.5), Curve(0.05, 1.0, 0.4), Curve(0.0, 0.3, 0.0)])
def test_a_power_law_is_found_again(truth):
    found = fit(SIZES, [truth(size) for size in SIZES], floor=truth.floor)
    assert found == pytest.approx(truth, abs=1e-9)


def test_more_rows_are_never_foretold_to_do_harm():
    assert fit(SIZES, [0.8, 0.7, 0.6]).exponent == 0


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    truths = [Curve(floor, 1.5, 0.4) for floor in (0.0, 0.03, 0.06, 0.09)]
    held = 0
    for seed in range(60):
        truth = truths[seed % 4]
        found = curves(SIZES, scores(truth, seed=seed), resamples=300, seed=seed)
        low, high = foretold(found, 800)[1]
        held += low <= truth(800) <= high
    assert held >= 54


def test_rows_for_a_goal_are_where_the_interval_begins_to_hold_it():
    found = curves(SIZES, scores(Curve(0.0, 2.0, 0.5), seed=1), resamples=200, seed=1)
    rows = rows_for(found, 0.93, most=1e5)
    assert rows is not None
    assert foretold(found, rows)[1].high >= 0.93 > foretold(found, rows * 0.8)[1].high
    assert rows_for(found, 0.9999, most=1e3) is None


def test_a_flat_curve_adds_nothing_however_unsure_its_height_is():
    found = curves(SIZES, scores(Curve(0.0, 0.3, 0.0), seed=2), resamples=200, seed=1)
    low, high = gain(found, start=400, end=800)
    assert low == 0
    assert high < 0.01
