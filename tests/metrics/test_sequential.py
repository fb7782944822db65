"""Evidence that may be looked at all the time: it is rarely large by chance, and large where there is something."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.sequential import (
    Tally,
    always_interval,
    bin_of,
    edge_ms,
    evidence_below,
    evidence_slower,
    quantile_ms,
)

TALLIES = st.integers(0, 200).flatmap(lambda n: st.builds(Tally, st.integers(0, n), st.just(n)))


def peeked(random_, *, first, second, share, by, looks):
    """The largest evidence that anybody saw who looked after every answer."""
    tallies, most = [[0, 0], [0, 0]], -math.inf
    for _ in range(looks):
        mine = random_.random() >= share
        tallies[mine][1] += 1
        tallies[mine][0] += random_.random() < (second if mine else first)
        most = max(most, evidence_below(Tally(*tallies[0]), Tally(*tallies[1]), by=by, share=share))
    return most


@pytest.mark.parametrize(("first", "second", "by"), [(0.5, 0.5, 0.0), (0.85, 0.9, 0.05), (0.02, 0.02, 0.0)])
def test_whoever_looks_after_every_answer_is_rarely_wrong(first, second, by):
    random_ = random.Random(5)
    seen = [peeked(random_, first=first, second=second, share=0.3, by=by, looks=80) for _ in range(60)]
    assert sum(one >= math.log(20) for one in seen) <= 3


def test_a_real_difference_is_found():
    random_ = random.Random(5)
    seen = [peeked(random_, first=0.5, second=0.9, share=0.5, by=0.05, looks=300) for _ in range(5)]
    assert all(one >= math.log(20) for one in seen)


def test_the_evidence_is_on_average_at_most_one_where_there_is_nothing():
    n, p = 12, 0.3
    weight = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    mean = sum(
        weight[a] * weight[b] * math.exp(evidence_below(Tally(a, n), Tally(b, n)))
        for a in range(n + 1)
        for b in range(n + 1)
    )
    assert mean <= 1


@given(TALLIES, TALLIES, st.floats(-0.9, 0.9))
def test_there_is_never_evidence_for_both_sides(first, second, by):
    above = evidence_below(second, first, by=-by)
    assert min(evidence_below(first, second, by=by), above) <= 1e-9


@given(TALLIES)
def test_an_interval_that_always_holds_holds_the_mean(tally):
    low, high = always_interval(tally)
    assert 0 <= low <= (0.5 if tally.mean is None else tally.mean + 1e-9)
    assert (0.5 if tally.mean is None else tally.mean - 1e-9) <= high <= 1


def test_an_interval_that_always_holds_is_wider_than_one_for_a_single_look():
    low, high = always_interval(Tally(90, 100))
    assert low < 0.825
    assert high > 0.945


@given(st.floats(0.1, 1e6))
def test_a_time_lies_in_its_bin(ms):
    number = bin_of(ms)
    assert edge_ms(number - 1) * (1 - 1e-9) <= ms <= edge_ms(number) * (1 + 1e-9)


def lognormal(random_, n, *, middle):
    times = {}
    for _ in range(n):
        number = bin_of(middle * math.exp(random_.gauss(0, 0.5)))
        times[number] = times.get(number, 0) + 1
    return times


def test_a_slow_side_is_found_and_an_equal_one_is_not():
    random_ = random.Random(5)
    usual = lognormal(random_, 800, middle=100)
    slow, equal = (lognormal(random_, 400, middle=middle) for middle in (300, 100))
    assert evidence_slower(slow, usual, quantile=0.95, ratio=1.5) > math.log(100)
    assert evidence_slower(equal, usual, quantile=0.95, ratio=1.5) < 0
    assert evidence_slower(usual, equal, quantile=0.5, ratio=1 / 1.5) > math.log(100)


def test_few_of_the_usual_side_show_no_tail():
    assert evidence_slower({bin_of(1000): 200}, {bin_of(10): 50}, quantile=0.95, ratio=1.5) < math.log(20)


def test_equal_times_are_rarely_told_apart_by_whoever_looks_often():
    random_, wrong = random.Random(5), 0
    for _ in range(60):
        first, second, most = {}, {}, 0.0
        for _ in range(40):
            for times in (first, second):
                for number, count in lognormal(random_, 5, middle=100).items():
                    times[number] = times.get(number, 0) + count
            most = max(most, evidence_slower(first, second, quantile=0.5))
        wrong += most >= math.log(20)
    assert wrong <= 3


def test_a_quantile_is_an_edge():
    assert quantile_ms({}, 0.5) is None
    assert quantile_ms({8: 1, 16: 1}, 0.5) == 2.0
    assert quantile_ms({8: 1, 16: 1}, 0.51) == 4.0


def test_what_is_no_tally_is_refused():
    with pytest.raises(ValueError, match="3 of 2"):
        evidence_below(Tally(3, 2), Tally(0, 0))
