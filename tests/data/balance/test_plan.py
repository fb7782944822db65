"""The plan of a balance: nobody gets more than is needed, and every way gives at most what it can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.balance.plan import plan, quotas, table
from seekloop.data.balance.smote import smote
from seekloop.data.balance.spec import BalanceSpec

COUNTS = st.dictionaries(st.text("abcde", min_size=1, max_size=3), st.integers(0, 60), min_size=1, max_size=8)


@given(counts=COUNTS, least=st.integers(1, 80), most=st.none() | st.integers(1, 50))
def test_what_is_planned_adds_up_to_what_is_needed(counts, least, most):
    spec = BalanceSpec(min_rows_per_label=least, max_rows_per_label=most)
    for line in plan(counts, spec):
        kept = line.have - line.over
        assert line.augment + line.resample + line.teacher == line.need == max(0, least - kept)
        assert line.augment <= kept * 3 and line.resample <= kept
        assert most is None or kept <= most


def test_ways_are_used_in_their_order_and_only_those_named():
    spec = BalanceSpec(min_rows_per_label=100, ways=("resample", "augment"), copies_per_row=2)
    (line,) = plan({"a": 10}, spec)
    assert (line.resample, line.augment, line.teacher) == (20, 30, 0)


@given(counts=COUNTS, per_label=st.none() | st.integers(1, 40), total=st.none() | st.integers(1, 200))
def test_quotas_keep_within_the_caps_and_near_the_shares(counts, per_label, total):
    kept = quotas(counts, per_label=per_label, total=total)
    capped = {label: min(n, per_label or n) for label, n in counts.items()}
    assert all(0 <= kept[label] <= capped[label] for label in counts)
    assert sum(kept.values()) == min(sum(capped.values()), total if total is not None else 10**9)
    if total is not None and total >= len(counts):
        assert all(kept[label] >= 1 for label in counts if capped[label])


def test_a_total_is_shared_out_by_size():
    assert quotas({"a": 60, "b": 30, "c": 10}, per_label=None, total=50) == {"a": 30, "b": 15, "c": 5}


def test_the_table_begins_with_the_greatest_need_and_ends_with_the_sum():
    lines = table(plan({"rare": 2, "often": 600}, BalanceSpec())).splitlines()
    assert lines[1].split() == ["rare", "2", "0", "498", "6", "2", "490"]
    assert lines[-1].split()[:2] == ["all", "602"]


def test_smote_makes_points_between_a_vector_and_one_of_its_nearest():
    points = np.random.default_rng(0).normal(size=(20, 3))
    made = smote(points, wanted=50, seed=3, k=4)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    ranks = apart.argsort(axis=1).argsort(axis=1)[made.between[:, 0], made.between[:, 1]]
    assert ranks.min() >= 1 and ranks.max() <= 4
    start, end = points[made.between[:, 0]], points[made.between[:, 1]]
    assert made.vectors == pytest.approx(start + made.steps[:, None] * (end - start))
    assert np.bincount(made.between[:, 0]).max() - np.bincount(made.between[:, 0], minlength=20).min() <= 1


def test_smote_is_the_same_for_the_same_seed_and_needs_two_vectors():
    points = np.eye(3)
    assert (smote(points, wanted=5, seed=1).vectors == smote(points, wanted=5, seed=1).vectors).all()
    with pytest.raises(ValueError, match="two finite"):
        smote(points[:1], wanted=5, seed=1)
