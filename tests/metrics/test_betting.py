"""Bets on who is right next: honest however often one looks, whatever the order, and sharp enough to be of use."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.betting import evidence_gain, least_gain

NEEDED = math.log(20)


def gain(won, tied, lost, **more):
    return evidence_gain(won, lost, tied=tied, **more)


@pytest.mark.parametrize("margin", [-0.3, 0.0, 0.05, 0.3])
def test_one_more_row_makes_nothing_of_money_on_average(margin):
    """Under any law at the edge of the hypothesis the evidence of the next row has the mean of this one's."""
    counts, loss = np.array([7.0, 20.0, 4.0]), 0.4 + max(0.0, -margin)
    law = np.array([loss - margin, 1 - 2 * loss + margin, loss]) if margin < loss else None
    law = np.array([0.1 + max(0, -margin), 0.0, 0.1 + max(0, margin)]) if law is None or law.min() < 0 else law
    law[1] = 1 - law[0] - law[2]
    after = [float(gain(*(counts + one), margin=margin)) for one in np.eye(3)]
    assert law[0] - law[2] == pytest.approx(-margin)
    assert math.log(float(law @ np.exp(after))) == pytest.approx(float(gain(*counts, margin=margin)))


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.floats(-0.9, 0.9))
def test_more_won_is_more_evidence_and_a_wider_margin_too(won, tied, lost, margin):
    here = float(gain(won, tied, lost, margin=margin))
    assert float(gain(won + 1, tied, lost, margin=margin)) >= here
    assert float(gain(won, tied, lost, margin=min(0.95, margin + 0.05))) >= here - 1e-9


def test_nothing_is_no_evidence_and_ties_alone_show_no_gain():
    assert float(gain(0, 0, 0)) == 0.0
    assert float(gain(0, 500, 0)) == 0.0
    assert float(gain(0, 500, 0, margin=0.05)) > NEEDED


@pytest.mark.parametrize("shares", [(0.16, 0.68, 0.16), (0.05, 0.9, 0.05), (0.3, 0.35, 0.35)])
def test_peeking_after_every_batch_promotes_what_is_no_better_in_at_most_five_percent_of_runs(shares):
    drawn = np.random.default_rng(3).multinomial(25, shares, size=(2000, 40)).cumsum(axis=1)
    said = gain(*np.moveaxis(drawn, 2, 0)) >= NEEDED
    assert said.any(axis=1).mean() <= 0.05


def test_the_confidence_sequence_holds_the_difference_at_all_times_at_once():
    drawn = np.random.default_rng(4).multinomial(50, (0.2, 0.65, 0.15), size=(200, 10)).cumsum(axis=1)
    ends = [max(least_gain(look[0], look[2], tied=look[1], delta=0.1) for look in run.tolist()) for run in drawn]
    assert np.mean(np.array(ends) > 0.05) <= 0.1
    assert least_gain(400, 100, tied=500, delta=0.05) > 0.2


def test_no_rows_leave_everything_open():
    assert least_gain(0, 0, tied=0) == -1.0


@pytest.mark.parametrize(("counts", "margin"), [((-1, 0, 0), 0.0), ((1, 1, 1), 1.0)])
def test_what_are_no_counts_is_refused(counts, margin):
    with pytest.raises(ValueError):
        gain(*counts, margin=margin)
