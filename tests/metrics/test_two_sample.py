"""Tests of two samples give scipy's figures, and are wrong as seldom as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics import two_sample

stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
numbers = st.lists(st.integers(0, 8).map(float), min_size=1, max_size=40)


@given(numbers, numbers)
def test_kolmogorov_and_smirnov_are_scipys(first, second):
    theirs = stats.ks_2samp(first, second, method="exact")
    ours = two_sample.kolmogorov_smirnov(first, second)
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert ours.p_value == pytest.approx(min(1.0, theirs.pvalue), abs=1e-9)


def test_large_samples_have_smirnovs_p_value():
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=12_000), generator.normal(0.02, size=15_000)
    ours, theirs = two_sample.kolmogorov_smirnov(first, second), stats.ks_2samp(first, second, method="asymp")
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=0.05)


@given(st.lists(st.tuples(st.integers(30, 90), st.integers(30, 90)), min_size=2, max_size=6))
def test_classes_are_compared_as_scipy_does(pairs):
    before, after = zip(*pairs, strict=True)
    theirs = stats.chi2_contingency([before, after], correction=False)
    ours = two_sample.chi_squared(before, after)
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-8, abs=1e-12)


@given(st.integers(1, 30), st.integers(0, 30), st.integers(1, 60), st.integers(0, 60))
def test_fishers_p_value_is_scipys(n, hits, m, others):
    hits, others = min(hits, n), min(others, m)
    theirs = stats.fisher_exact([[hits, n - hits], [others, m - others]], alternative="greater").pvalue
    assert two_sample.fisher_more((hits, n), (others, m)) == pytest.approx(theirs, rel=1e-8, abs=1e-12)


def test_the_energy_of_numbers_on_a_line_is_scipys():
    generator = np.random.default_rng(5)
    first, second = generator.normal(size=30), generator.normal(1, size=50)
    every = np.concatenate((first, second))
    ours = two_sample.energy(np.abs(every[:, None] - every[None]), 30, permutations=99, seed=1)
    assert math.sqrt(ours.statistic) == pytest.approx(stats.energy_distance(first, second), rel=1e-9)
    assert ours.p_value == 0.01


def test_where_nothing_changed_the_permutation_test_is_wrong_one_time_in_ten_at_a_tenth():
    wrong = 0
    for run in range(200):
        rows = np.random.default_rng(run).normal(size=(24, 3))
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        wrong += two_sample.energy(distances, 12, permutations=99, seed=run).p_value <= 0.1
    assert stats.binomtest(wrong, 200, 0.1).pvalue > 0.001


def test_nothing_changed_has_no_index_and_a_new_class_has_a_finite_one():
    assert two_sample.psi([10, 20], [10, 20]) == pytest.approx(0)
    assert 0.5 < two_sample.psi([50, 50, 0], [25, 25, 50]) < 5
    assert two_sample.psi([5, 9], [7, 1]) == pytest.approx(two_sample.psi([7, 1], [5, 9]))


def test_the_index_by_chance_is_what_it_is_on_average():
    generator = np.random.default_rng(9)
    shares = [0.25] * 4
    seen = [two_sample.psi(generator.multinomial(400, shares), generator.multinomial(200, shares)) for _ in range(400)]
    assert np.mean(seen) == pytest.approx(two_sample.psi_by_chance(4, n=400, m=200), rel=0.15)


def test_newcombes_interval_is_the_published_one():
    low, high = two_sample.share_difference((56, 70), (48, 80))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
