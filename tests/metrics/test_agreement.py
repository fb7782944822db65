"""Agreement: the figures that were published for known ratings, and the limits that must hold for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.agreement import (
    cohen_kappa,
    counts_of,
    distances,
    fleiss_kappa,
    krippendorff_alpha,
    measured,
    ordinal_alpha,
    set_distances,
    specific_agreement,
)

# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section D: 4 observers, 12 units, missing values.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
UNITS = counts_of(np.array(OBSERVERS).T - 1, values=5)
# Fleiss (1971), psychiatric diagnoses: 30 patients, 6 psychiatrists, 5 diagnoses; published kappa 0.430.
DIAGNOSES = (
    "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 00501 30012 51000 02040 "
    "10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"
)
# The worked example of the article "Fleiss' kappa" in Wikipedia: 10 subjects, 14 raters; 0.210.
SUBJECTS = [
    *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
    *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
]
# The `anxiety` ratings of the R package irr, raters 1 and 2; its manual gives kappa 0.119 and, squared weights, 0.297.
ANXIETY = (
    [3, 3, 3, 4, 5, 5, 2, 3, 5, 2, 2, 6, 1, 5, 2, 2, 1, 2, 4, 3],
    [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4],
)


def value(statistic, n):
    return float(statistic(np.ones((1, n)))[0])


def kappa(left, right, scale, values=6):
    pair = [np.array(rater) - 1 for rater in (left, right)]
    return value(cohen_kappa(*pair, distance=distances(values, scale)), len(left))


@pytest.mark.parametrize(("scale", "published"), [("nominal", 0.743), ("quadratic", 0.849)])
def test_alpha_is_the_published_one(scale, published):
    assert round(value(krippendorff_alpha(UNITS, distance=distances(5, scale)), 12), 3) == published


def test_ordinal_alpha_is_the_published_one():
    assert round(value(ordinal_alpha(UNITS), 12), 3) == 0.815


@pytest.mark.parametrize(
    ("table", "published"), [([[int(n) for n in row] for row in DIAGNOSES.split()], 0.430), (SUBJECTS, 0.210)]
)
def test_fleiss_kappa_is_the_published_one(table, published):
    counts = np.array(table, dtype=float)
    assert round(value(fleiss_kappa(counts), len(counts)), 3) == published


def test_fleiss_kappa_refuses_units_with_different_numbers_of_ratings():
    with pytest.raises(ValueError, match="same number"):
        fleiss_kappa(np.array([[2.0, 0.0], [1.0, 0.0]]))


def test_cohen_kappa_is_the_published_one():
    # 50 grant proposals in the article "Cohen's kappa" in Wikipedia: 20 both yes, 15 both no, 5 and 10 split; 0.4.
    left, right = [1] * 25 + [2] * 25, [1] * 20 + [2] * 5 + [1] * 10 + [2] * 15
    assert kappa(left, right, "nominal", 2) == pytest.approx(0.4)
    assert round(kappa(*ANXIETY, "nominal"), 3) == 0.119


def test_weighted_kappa_is_the_published_one():
    assert round(kappa(*ANXIETY, "quadratic"), 3) == 0.297


def test_weights_do_not_matter_where_there_are_two_values():
    left, right = [1, 1, 2, 2, 1], [1, 2, 2, 2, 1]
    assert kappa(left, right, "linear", 2) == pytest.approx(kappa(left, right, "nominal", 2))


def test_masi_weighs_how_sets_overlap():
    sets = [frozenset("ab"), frozenset("abcd"), frozenset("bc"), frozenset("xy")]
    assert set_distances(sets, masi=True)[0] == pytest.approx([0, 1 - 0.5 * 2 / 3, 1 - 1 / 3 / 3, 1])
    assert set_distances(sets, masi=False)[0] == pytest.approx([0, 0.5, 2 / 3, 1])


def test_specific_agreement_is_the_chance_that_a_second_rater_says_the_same():
    counts = np.array([[2, 0], [2, 0], [1, 1], [0, 2], [0, 1]], dtype=float)
    assert specific_agreement(counts) == pytest.approx([4 / 5, 2 / 3])


def test_an_interval_holds_its_value_and_narrows_with_more_units():
    few, many = (np.tile(UNITS, (times, 1)) for times in (1, 20))
    small, large = (
        measured(krippendorff_alpha(c, distance=distances(5, "nominal")), len(c), seed=1, resamples=300)
        for c in (few, many)
    )
    assert small.ci.low <= small.value <= small.ci.high
    assert large.ci.high - large.ci.low < (small.ci.high - small.ci.low) / 2


def test_where_nobody_could_disagree_there_is_no_figure():
    only = np.array([[3.0, 0.0], [3.0, 0.0]])
    found = measured(krippendorff_alpha(only, distance=distances(2, "nominal")), 2, seed=1, resamples=10)
    assert np.isnan(found.value) and found.ci is None


RATINGS = st.lists(st.lists(st.integers(-1, 3), min_size=3, max_size=3), min_size=2, max_size=12)


@given(ratings=RATINGS, order=st.permutations(range(4)))
def test_nominal_alpha_does_not_depend_on_names_or_on_the_order_of_raters(ratings, order):
    table = np.array(ratings)
    renamed = np.where(table >= 0, np.array(order)[table], -1)[:, ::-1]
    one, other = (
        value(krippendorff_alpha(counts_of(t, values=4), distance=distances(4, "nominal")), len(t))
        for t in (table, renamed)
    )
    assert one == pytest.approx(other, nan_ok=True)
    assert np.isnan(one) or one <= 1
