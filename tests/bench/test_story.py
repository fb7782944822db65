"""The story's promises, and two months of it on the tiny model: real gateway, real ledger, real training."""

from collections import Counter
from pathlib import Path

import pytest

from bench.learn_months import project
from bench.learn_scenario import Scenario, needs
from bench.learn_story import TINY, records, story
from bench.learn_story_page import charts, table
from bench.learn_told import Month, Share, Story, read

SCENARIO = Scenario(months=2, customers=12, bad_month=2, bad_liars=3)
PUBLISHED = Scenario()
MAY_TEACH = 8
"""`learn.max_per_caller` of the story's project."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Story]:
    folder = tmp_path_factory.mktemp("story") / "project"
    return folder, story(folder, scenario=SCENARIO, changes=TINY)


def told(*months: tuple[float, float]) -> Story:
    """A story of which only resolution and forgetting matter."""
    made = [
        Month(
            month=number,
            live=Share(right=int(200 * resolved), n=200),
            frozen=Share(right=150, n=200),
            lies=11,
            counts={"kept": 9},
            decision="promote",
            why={"en": ("better",), "zh": ("更好",)},
            moves=("production to release:1 by local: gate",),
            accuracy=0.9,
            forgetting=forgotten,
            minutes=3.0,
        )
        for number, (resolved, forgotten) in enumerate(months, start=1)
    ]
    return Story(accuracy=0.95, rows=140, first_minutes=4.0, months=tuple(made))


@pytest.mark.parametrize("month", range(1, 7))
def test_the_same_scenario_has_the_same_customers(month):
    assert PUBLISHED.visitors(month) == Scenario().visitors(month)
    assert PUBLISHED.lies(month) == Scenario().lies(month)


def test_a_new_intent_is_not_asked_for_before_its_month():
    late = {need.intent: need.first for need in needs() if need.first}
    assert len(late) == 2
    for month in range(1, 7):
        asked = {visitor.intent for visitor in PUBLISHED.visitors(month)}
        assert {intent for intent in late if intent in asked} == {one for one in late if late[one] <= month}


def test_a_twentieth_of_the_feedback_are_lies_and_in_the_bad_month_a_quarter():
    shares = {
        month: len(PUBLISHED.lies(month)) / (PUBLISHED.customers + len(PUBLISHED.lies(month))) for month in range(1, 7)
    }
    assert shares.pop(PUBLISHED.bad_month) == pytest.approx(0.25, abs=0.005)
    assert list(shares.values()) == pytest.approx([0.05] * 5, abs=0.005)


def test_no_account_of_the_campaign_says_more_than_one_caller_may_teach():
    accounts = Counter(lie.account for lie in PUBLISHED.lies(PUBLISHED.bad_month))
    assert max(accounts.values()) < MAY_TEACH
    assert all(lie.label == "close_account" for lie in PUBLISHED.lies(PUBLISHED.bad_month))


def test_shares_are_of_customers_and_lies_are_counted_apart(lived):
    _, found = lived
    assert [(month.live.n, month.frozen.n) for month in found.months] == [(12, 12), (12, 12)]
    assert [month.lies for month in found.months] == [len(SCENARIO.lies(month)) for month in (1, 2)]
    assert found.months[0].live == found.months[0].frozen  # nothing else has been released yet


def test_every_month_ends_with_a_verdict_and_its_reason(lived):
    _, found = lived
    for month in found.months:
        assert month.decision in ("promote", "reject", "hold", "inconclusive", "wait")
        assert all(month.why["en"]) and all(month.why["zh"])
        assert bool(month.moves) == (month.decision == "promote")


def test_months_that_were_lived_are_not_lived_again(lived):
    folder, found = lived
    with project(folder).context() as ctx:
        before = ctx.ledger.verify()
    assert story(folder, scenario=SCENARIO, changes=TINY) == found
    with project(folder).context() as ctx:
        assert ctx.ledger.verify() == before
        assert read(ctx) == found


def test_the_headline_is_the_worst_month():
    found = {record.name: record.value for record in records(told((0.97, 0.0), (0.93, 1.4), (0.95, -0.7)))}
    assert found["story_resolution_min"] == 0.93
    assert found["forgetting_max_points"] == 1.4


def test_charts_and_tables_of_the_same_story_are_the_same_bytes():
    one, two = told((0.97, 0.0), (0.93, 1.4)), told((0.97, 0.0), (0.93, 1.4))
    assert charts(one) == charts(two)
    assert table(one, "zh").count("|") == table(two, "en").count("|")
