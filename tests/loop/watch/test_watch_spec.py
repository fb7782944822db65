"""Triggers, hours and rollouts as people write them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.loop.watch.triggers import Compared, Seen, after, look
from seekloop.loop.watch_spec import Direct, Drift, KpiDrop, ThroughCanary, WatchSpec, in_quiet_hours
from seekloop.system.errors import UsageError

NOON = dt.datetime(2026, 3, 4, 12, 0, tzinfo=dt.UTC)  # a Wednesday
SHORT = [{"every": "month"}, {"n_errors": 200}, {"kpi_drop": "3pt", "of": "resolved"}, {"drift": "psi > 0.2"}, "manual"]


def seen(**changes):
    return Seen(**{"now": NOON, "since": NOON - dt.timedelta(days=1), "ended": None, "today": 0, **changes})


def looked(triggers, *, spec=None, **changes):
    return look(WatchSpec.parse({"triggers": triggers, **(spec or {})}), seen(**changes))


def test_the_short_way_of_writing_triggers_is_read_and_reads_back():
    spec = WatchSpec.parse({"triggers": SHORT})
    assert [one.when for one in spec.triggers] == ["every", "n_errors", "kpi_drop", "drift", "manual"]
    drop, drift = spec.triggers[2], spec.triggers[3]
    assert isinstance(drop, KpiDrop) and isinstance(drift, Drift)
    assert (drop.amount, drift.bound) == (0.03, ("psi", 0.2))
    assert WatchSpec.parse(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    "value",
    [
        {"triggers": [{"every": "fortnight"}]},
        {"triggers": [{"n_errors": 0}]},
        {"triggers": [{"kpi_drop": "a lot"}]},
        {"triggers": [{"drift": "kl > 1"}]},
        {"triggers": ["sometimes"]},
        {"triggers": []},
        {"quiet": "8-20"},
        {"quiet": "mon-fun 08:00-20:00"},
        {"zone": "Mars/Olympus"},
        {"cool_down": "soon"},
        {"rollout": "at once"},
        {"rollout": {"mode": "canary", "steps": []}},
    ],
)
def test_what_makes_no_sense_is_refused(value):
    with pytest.raises(UsageError):
        WatchSpec.parse(value)


def test_a_rollout_is_a_word_or_its_rules():
    assert WatchSpec.parse({"rollout": "direct"}).rollout == Direct()
    plan = WatchSpec.parse({"rollout": {"mode": "canary", "steps": [{"share": 0.5}]}}).rollout
    assert isinstance(plan, ThroughCanary)
    assert plan.rollout("release:a").candidates == ("release:a",)
    assert isinstance(WatchSpec.parse({"rollout": "canary"}).rollout, ThroughCanary)


@pytest.mark.parametrize(
    ("every", "due"), [("month", "2026-02-28T10:00"), ("week", "2026-02-07T10:00"), ("12h", "2026-01-31T22:00")]
)
def test_time_comes_round_by_the_calendar(every, due):
    moment = dt.datetime(2026, 1, 31, 10, 0, tzinfo=dt.UTC)
    assert after(moment, every) == dt.datetime.fromisoformat(f"{due}+00:00")
    assert looked([{"every": every}], since=moment, now=after(moment, every)).fired
    assert not looked([{"every": every}], since=moment, now=after(moment, every) - dt.timedelta(seconds=1)).fired


@given(st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2040, 1, 1)))
def test_a_month_is_never_longer_than_a_month(moment):
    then = after(moment, "month")
    assert dt.timedelta(days=28) <= then - moment <= dt.timedelta(days=31)
    assert then.time() == moment.time()


def test_the_first_trigger_that_fires_says_why_with_its_counts():
    found = looked([{"every": "month"}, {"n_errors": 200}, {"n_errors": 5}], errors=200, heard=300).fired
    assert found.reason == "200 wrong answers of 300 that were spoken of, and 200 begin a cycle"
    assert found.counts == {"errors": 200, "heard": 300, "needed": 200}
    assert looked([{"n_errors": 201}], errors=200).fired is None


@pytest.mark.parametrize(
    ("before", "now", "certain", "fires"),
    [(0.92, 0.89, True, True), (0.92, 0.891, True, False), (0.92, 0.80, False, False), (None, 0.1, True, False)],
)
def test_a_drop_must_be_large_enough_and_beyond_chance(before, now, certain, fires):
    compared = Compared(before=before, now=now, n=(200, 200), certain=certain)
    assert bool(looked([{"kpi_drop": "3pt"}], kpis={0: compared}).fired) is fires


def test_drift_must_be_above_its_bound():
    for value, fires in ((0.21, True), (0.2, False), (None, False)):
        assert (
            bool(looked([{"drift": "psi > 0.2"}], drifts={0: Compared(before=0, now=value, n=(9, 9))}).fired) is fires
        )


def test_nothing_fires_by_itself_where_people_decide():
    assert looked(["manual"]).fired is None


@pytest.mark.parametrize(
    ("spec", "changes", "says"),
    [
        ({"cool_down": "2h"}, {"ended": NOON - dt.timedelta(hours=1)}, "cool_down"),
        ({"max_a_day": 2}, {"today": 2}, "max_a_day"),
        ({"quiet": "08:00-20:00"}, {}, "quiet hours"),
    ],
)
def test_what_is_in_the_way_is_said(spec, changes, says):
    found = looked([{"n_errors": 1}], spec=spec, errors=1, **changes)
    assert found.fired is None
    assert says in found.barred


@pytest.mark.parametrize(
    ("quiet", "zone", "within"),
    [
        ("08:00-20:00", "UTC", True),
        ("08:00-12:00", "UTC", False),
        ("08:00-20:00", "Asia/Shanghai", False),
        ("20:00-06:00", "Asia/Shanghai", True),
        ("mon-fri 08:00-20:00", "UTC", True),
        ("sat-sun 08:00-20:00", "UTC", False),
        ("sat-wed 08:00-20:00", "UTC", True),
    ],
)
def test_quiet_hours_are_those_of_the_zone(quiet, zone, within):
    spec = WatchSpec.parse({"quiet": quiet, "zone": zone})
    assert (in_quiet_hours(spec, NOON) is not None) is within


def test_what_goes_past_midnight_belongs_to_the_day_it_began():
    spec = WatchSpec.parse({"quiet": "fri-fri 22:00-06:00"})
    friday = dt.datetime(2026, 3, 6, 23, 0, tzinfo=dt.UTC)
    assert in_quiet_hours(spec, friday) and in_quiet_hours(spec, friday + dt.timedelta(hours=6))
    assert in_quiet_hours(spec, friday - dt.timedelta(hours=20)) is None
