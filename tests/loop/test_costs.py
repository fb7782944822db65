"""What things cost, on a project whose loop was walked."""

from __future__ import annotations

import pytest

from seekloop.loop.costs.report import costs
from seekloop.loop.costs.spec import CostSpec

PRICES = CostSpec(core_hour=0.36, watts_core=20, kwh=0.0, grams_per_kwh=400)


def test_every_run_that_trains_has_its_processor_time(walked):
    found = costs(PRICES, ctx=walked.ctx)
    tuned = [one for one in found.runs if one.stage == "tune"]
    assert tuned
    assert all(one.counted and one.costs.core_s > 0 for one in tuned)


def test_money_energy_and_carbon_follow_their_formulas(walked):
    for one in costs(PRICES, ctx=walked.ctx).runs:
        assert one.costs.money == pytest.approx(one.costs.core_s * 0.36 / 3600)
        assert one.costs.wh == pytest.approx(one.costs.core_s * 20 / 3600)
        assert one.costs.grams == pytest.approx(one.costs.wh / 1000 * 400)


def test_what_two_releases_share_is_paid_once(walked):
    found = costs(PRICES, ctx=walked.ctx)
    assert len(found.releases) == 2
    first, second = found.releases
    assert first.own == first.whole
    assert second.own.core_s < second.whole.core_s
    paid = sum(one.costs.core_s for one in found.runs)
    assert first.own.core_s + second.own.core_s <= paid


def test_every_answer_is_counted_with_its_release(walked):
    found = costs(PRICES, ctx=walked.ctx)
    recorded = sum(1 for _ in walked.ctx.ledger.events(kind="answer.recorded"))
    assert sum(one.answers for one in found.answers) == recorded
    for one in found.answers:
        assert one.each is not None and one.all is not None
        assert one.each.core_s * one.answers == pytest.approx(one.all.core_s)
