"""Intervals cover what they claim to cover, and never shrink to nothing where nothing was learnt."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics import significance

counts = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 80)).map(
    lambda c: (c[0], c[1], c[0] + c[1] + c[2])
)


def test_wilson_equals_values_computed_by_hand():
    # z = 1.959964: 8 of 10 -> centre (0.8 + z2/20) / (1 + z2/10) = 0.716740, half-width 0.226577
    assert significance.wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    assert significance.wilson(0, 10) == pytest.approx((0.0, 0.277533), abs=1e-6)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(pair):
    successes, n = pair
    low, high = significance.wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert high > low
    assert significance.wilson(n - successes, n) == pytest.approx((1 - high, 1 - low))


def test_the_difference_of_paired_shares_solves_tangos_equation():
    # At both ends |won - lost - n d| = z sqrt(n (2q + d(1 - d))), with q the likeliest share of lost rows under d.
    won, lost, n = 12, 2, 50
    z = 1.959963984540054
    for d in significance.paired_share_difference(won, lost, n=n):
        shares = np.linspace(1e-7, (1 - d) / 2 - 1e-7, 2_000_001)
        likelihood = won * np.log(shares + d) + lost * np.log(shares) + (n - won - lost) * np.log(1 - 2 * shares - d)
        q = shares[likelihood.argmax()]
        assert abs(won - lost - n * d) == pytest.approx(z * math.sqrt(n * (2 * q + d * (1 - d))), rel=1e-4)


def test_no_differing_row_still_leaves_an_interval():
    # By hand for won = lost = 0: q = 0 beyond d = 0, so d = z2 / (n + z2).
    z2 = 1.959963984540054**2
    assert significance.paired_share_difference(0, 0, n=20) == pytest.approx((-z2 / (20 + z2), z2 / (20 + z2)))


@given(counts)
def test_the_paired_interval_holds_the_difference_and_mirrors(triple):
    won, lost, n = triple
    low, high = significance.paired_share_difference(won, lost, n=n)
    assert -1 <= low < (won - lost) / n < high <= 1
    assert significance.paired_share_difference(lost, won, n=n) == pytest.approx((-high, -low), abs=1e-9)


def test_mcnemar_equals_the_binomial_computed_by_hand():
    assert significance.mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)
    assert significance.mcnemar(0, 0) == 1
    assert significance.mcnemar(4, 4) == 1


def test_bootstrap_covers_the_mean_in_93_to_97_percent_of_simulations():
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(600):
        low, high = significance.bootstrap_mean(rng.beta(2, 1, size=80), resamples=400, seed=trial)
        hits += low <= 2 / 3 <= high
    assert 0.93 <= hits / 600 <= 0.97


def test_tango_covers_the_paired_difference_in_93_to_97_percent_of_simulations():
    rng = np.random.default_rng(12)
    drawn = rng.multinomial(60, [0.10, 0.04, 0.86], size=2000)
    intervals = [significance.paired_share_difference(int(w), int(lo), n=60) for w, lo, _ in drawn]
    assert 0.93 <= np.mean([low <= 0.06 <= high for low, high in intervals]) <= 0.97


def test_equal_models_are_told_apart_in_at_most_five_percent_of_simulations():
    rng = np.random.default_rng(13)
    drawn = rng.multinomial(100, [0.08, 0.08, 0.84], size=2000)
    assert np.mean([significance.mcnemar(int(w), int(lo)) <= 0.05 for w, lo, _ in drawn]) <= 0.05


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    values = np.random.default_rng(1).random(50)
    first, again, other = (significance.bootstrap_mean(values, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_blocks_of_resamples_give_each_row_its_draws():
    weights: list[np.ndarray] = []

    def keep(block):
        weights.append(block)
        return block[:, 0]

    significance.bootstrap_values(keep, 9000, resamples=300, seed=0)
    assert len(weights) > 1
    assert all((block.sum(axis=1) == 9000).all() for block in weights)


def test_a_bootstrapped_difference_of_nothing_has_p_one():
    assert significance.bootstrap_p_value(np.zeros(200)) == 1
    assert significance.bootstrap_p_value(np.ones(199)) == pytest.approx(2 / 200)


def test_a_statistic_without_a_value_anywhere_is_refused():
    with pytest.raises(ValueError, match="0 values"):
        significance.bootstrap(lambda weights: np.full(len(weights), np.nan), 5, seed=0)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.03, 0.10), "yes"),
        ((-0.04, 0.10), "inconclusive"),
        ((-0.20, -0.031), "no"),
        ((-0.20, -0.03), "inconclusive"),
    ],
)
def test_non_inferiority_needs_the_whole_interval(interval, verdict):
    assert significance.non_inferior(interval, 0.03) == verdict


def test_an_interval_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="nan"):
        significance.non_inferior((math.nan, 1.0), 0.03)
