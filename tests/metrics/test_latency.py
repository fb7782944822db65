"""Percentiles by both definitions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics import latency

TIMES = [0.4, 0.1, 0.3, 0.2]


@pytest.mark.parametrize(
    ("share", "nearest", "linear"),
    [(0, 0.1, 0.1), (0.5, 0.2, 0.25), (0.51, 0.3, 0.253), (0.95, 0.4, 0.385), (1, 0.4, 0.4)],
)
def test_both_definitions_equal_values_computed_by_hand(share, nearest, linear):
    assert latency.percentile(TIMES, share, method="nearest_rank") == nearest
    assert latency.percentile(TIMES, share) == pytest.approx(linear)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0, 1))
def test_nearest_rank_is_a_measured_value_with_that_share_at_or_below_it(values, share):
    found = latency.percentile(values, share, method="nearest_rank")
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.5), ([math.nan], 0.5)])
def test_what_has_no_percentile_is_refused(values, share):
    with pytest.raises(ValueError, match="percentile"):
        latency.percentile(values, share)


def test_tokens_a_second():
    assert latency.per_second(120, 1.5) == 80
    assert latency.per_second(0, 0) == 0
