"""Resampled intervals cover, lean the right way, and never claim more than was seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.metrics import classification, resampling, significance, sums

scores = st.lists(st.floats(0, 1), min_size=3, max_size=30)
labels = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc?")), min_size=4, max_size=40)
seen = settings(max_examples=40, deadline=None)


def f1(pairs):
    return sums.macro_f1([right for right, _ in pairs], [answer for _, answer in pairs])


@given(labels)
def test_macro_f1_of_sums_is_that_of_the_confusion_matrix(pairs):
    expected, answered = zip(*pairs, strict=True)
    known = sorted(set(expected))
    matrix = classification.confusion(expected, answered, labels=known)
    assert f1(pairs).observed == pytest.approx(classification.f1(matrix, average="macro"))


@pytest.mark.parametrize(
    "statistic",
    [
        sums.mean([0.2, 0.9, 0.4]),
        sums.macro_f1(list("aabbc"), list("abbcc")),
        sums.bleu(np.array([[5, 3, 2, 1, 7, 6, 5, 4, 9], [4, 2, 1, 0, 5, 4, 3, 2, 5]])),
    ],
)
def test_gradients_are_those_of_small_steps(statistic):
    at, step = statistic.parts.sum(axis=0), 1e-6
    rises = [(statistic.value(at + e) - statistic.value(at - e)) / (2 * step) for e in step * np.eye(len(at))]
    assert statistic.gradient(at) == pytest.approx(rises, abs=1e-6)


def test_bleu_of_sums_equals_the_value_computed_by_hand():
    # Orders 4/5, 3/4, 2/3, 1/2 and a reference of 6: (0.8 * 0.75 * 2/3 * 0.5) ** 0.25 * exp(1 - 6/5)
    statistic = sums.bleu(np.array([[4, 3, 2, 1, 5, 4, 3, 2, 6]]))
    assert statistic.observed == pytest.approx(0.2**0.25 * np.exp(-0.2))


@seen
@given(scores)
def test_an_interval_of_a_share_holds_it_and_stays_between_0_and_1(values):
    low, high = resampling.interval(sums.mean(values), resamples=100, seed=1)
    assert 0 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= 1


@seen
@given(labels, st.randoms(use_true_random=False))
def test_the_order_of_classes_and_names_of_groups_change_no_statistic(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    assert f1(shuffled).observed == pytest.approx(f1(pairs).observed)
    grouped = f1(pairs).by([index % 3 for index in range(len(pairs))])
    assert grouped.observed == pytest.approx(f1(pairs).observed)


@seen
@given(labels, labels)
def test_exchanging_the_models_mirrors_difference_interval_and_p_value(one, other):
    n = min(len(one), len(other))
    expected = [right for right, _ in one[:n]]
    first, second = (sums.macro_f1(expected, [answer for _, answer in rows[:n]]) for rows in (one, other))
    low, high = resampling.difference_interval(first, second, resamples=100, seed=3)
    assert resampling.difference_interval(second, first, resamples=100, seed=3) == pytest.approx((-high, -low))
    forward, back = (
        resampling.swap_p_value(*pair, resamples=200, seed=3) for pair in ((first, second), (second, first))
    )
    assert forward == back


def test_answers_that_are_all_alike_leave_the_room_that_tango_leaves():
    same = sums.mean(np.full(20, 0.7))
    tango = significance.paired_share_difference(0, 0, n=20)
    assert resampling.difference_interval(same, same, seed=0) == pytest.approx(tango)
    assert resampling.interval(sums.mean(np.ones(20)), seed=0) == pytest.approx(significance.wilson(20, 20))


def test_two_models_that_answer_alike_have_p_one():
    same = sums.mean([0.1, 0.8, 0.3])
    assert resampling.swap_p_value(same, same, seed=0) == 1


def test_few_swaps_give_the_p_value_of_all_of_them():
    # Three rows, all better by the same: 2 of the 8 swaps are as far from 0, so p is about 1/4.
    first, second = sums.mean([0.9, 0.8, 0.7]), sums.mean([0.6, 0.5, 0.4])
    assert resampling.swap_p_value(first, second, resamples=4000, seed=0) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("n", "classes", "accuracy"), [(30, 3, 0.9), (60, 10, 0.95)])
def test_macro_f1_of_few_rows_is_covered(n, classes, accuracy):
    chance = np.random.default_rng(5)

    def draw(size):
        right = chance.integers(classes, size=size)
        answer = np.where(chance.random(size) < accuracy, right, chance.integers(classes, size=size))
        return sums.macro_f1([str(one) for one in right], [str(one) for one in answer])

    truth = draw(100_000).observed
    intervals = [resampling.interval(draw(n), resamples=300, seed=trial) for trial in range(300)]
    assert np.mean([low <= truth <= high for low, high in intervals]) >= 0.92


def test_equal_models_are_called_different_in_at_most_five_percent_of_simulations():
    chance = np.random.default_rng(6)
    p_values = []
    for trial in range(500):
        first, second = chance.beta(2, 1, size=(2, 40))
        p_values.append(resampling.swap_p_value(sums.mean(first), sums.mean(second), resamples=200, seed=trial))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 0.02


def test_bca_corrects_a_skewed_mean_upwards():
    values = np.random.default_rng(2).exponential(size=40)
    plain = significance.bootstrap_mean(values, seed=1)
    low, high = resampling.bca(sums.mean(values), seed=1)
    assert low > plain.low
    assert high > plain.high


def test_a_part_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        sums.mean([0.1, float("nan")])


def test_very_few_values_are_not_laughed_at():
    values = [12, 31, 9, 27, 14]
    low, high = resampling.studentised(sums.mean(values), seed=7)
    student = 2.776 * np.std(values, ddof=1) / np.sqrt(5)
    assert student <= (high - low) / 2 <= 1.51 * student


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize("figure", ["precision", "recall", "f1"])
def test_averages_over_classes_have_the_gradients_of_small_steps(figure, average):
    right, given = np.eye(3)[[0, 0, 1, 2, 1]], np.eye(3)[[0, 1, 1, 2, 2]]
    statistic = sums.class_mean(right * given, given, expected=right, figure=figure, average=average)
    at, step = statistic.parts.sum(axis=0), 1e-6
    rises = [(statistic.value(at + e) - statistic.value(at - e)) / (2 * step) for e in step * np.eye(len(at))]
    assert statistic.gradient(at) == pytest.approx(rises, abs=1e-6)
    assert sums.of_counts(statistic.parts, statistic.value).gradient(at) == pytest.approx(rises, abs=1e-4)
