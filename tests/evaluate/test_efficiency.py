"""Times, sizes and money: in the receipt, with n and interval, and never guessed."""

from __future__ import annotations

import numpy as np
import pytest

from seekloop.artifact.kinds import Receipt
from seekloop.evaluate import efficiency, stage
from seekloop.evaluate.efficiency_spec import EfficiencySpec
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.metrics.latency import percentile, percentile_interval
from seekloop.runtime.generate.backend import Completion, Prompt
from tests.evaluate.conftest import bank_rows

ECHO = EvaluateSpec(max_tokens=4, resamples=100, threads=1, engine="echo")
ASKED = [Prompt(ids=(1,) * 10, stop_ids=frozenset()) for _ in range(100)]
ANSWERED = [
    Completion(ids=(1, 2), finish_reason="stop", first_token_s=0.01 * place, total_s=1.0) for place in range(1, 101)
]


def cost(**prices):
    return efficiency.cost(ASKED, ANSWERED, seconds=36.0, spec=EfficiencySpec(**prices), served=2_500_000)


def test_percentiles_stand_with_their_interval_and_the_goal_with_its_share():
    found = cost()
    assert (found["first_token_p50_s"], found["first_token_p99_s"]) == (0.505, 0.9901)
    assert found["first_token_p95_s.low"] < found["first_token_p95_s"] < found["first_token_p95_s.high"]
    assert found["first_token_within_goal"] == 0.5
    assert (found["size_mb"], found["answers"], found["tokens_per_s"]) == (2.5, 100, 5.56)


def test_a_thousand_answers_cost_what_machine_and_tokens_cost():
    assert cost(price_per_hour=2.0)["cost_per_1000_answers"] == pytest.approx(0.2)
    by_token = cost(price_per_million_prompt_tokens=1.0, price_per_million_answer_tokens=5.0)
    assert by_token["cost_per_1000_answers"] == pytest.approx(0.01 + 0.01)


def test_a_price_that_nobody_knows_is_left_out_and_not_zero():
    assert "cost_per_1000_answers" not in cost()


def test_costs_become_figures_with_the_number_of_answers():
    receipt = Receipt(created_at="", hardware={}, wall_s=1, cost={**cost(), "peak_rss_mib": 500.0})
    figures = {one.name: one for one in efficiency.figures_of(receipt)}
    p95 = figures["first_token_p95_s"]
    assert (p95.n, p95.unit, p95.better) == (100, "s", "lower")
    assert p95.ci == (cost()["first_token_p95_s.low"], cost()["first_token_p95_s.high"])
    assert figures["size_mb"].ci == (2.5, 2.5)
    assert figures["first_token_within_goal"].better == "higher"
    assert "prompt_tokens" not in figures


def test_a_receipt_of_before_gives_no_figures():
    old = Receipt(created_at="", hardware={}, wall_s=1, cost={"first_token_p95_s": 0.2})
    assert efficiency.figures_of(old) == ()


def test_an_evaluation_leaves_its_costs_in_the_receipt(ctx, tiny, dataset_of):
    spec = ECHO.model_copy(update={"efficiency": EfficiencySpec(price_per_hour=1.0)})
    report = stage.run(spec, EvaluateInputs(checkpoint=tiny, dataset=dataset_of(bank_rows())), ctx=ctx)
    names = {one.name for one in efficiency.figures_of(ctx.store.receipt(report.id))}
    assert {"first_token_p99_s", "size_mb", "peak_rss_mib", "cost_per_1000_answers"} <= names
    assert not names & {one.name for one in report.figures}


def test_an_adapter_is_as_big_as_its_base_and_itself(ctx, tiny):
    weights = tiny.files["model.safetensors"].size
    assert efficiency.served_bytes(tiny, store=ctx.store) == weights


def test_the_interval_of_a_percentile_covers_it():
    chance = np.random.default_rng(3)
    draws = [chance.exponential(size=200).tolist() for _ in range(500)]
    held = [low <= -np.log(0.1) <= high for low, high in (percentile_interval(one, 0.9) for one in draws)]
    assert 0.93 <= np.mean(held) <= 0.99


def test_the_interval_of_a_percentile_of_few_values_ends_at_the_largest():
    values = [3.0, 1.0, 2.0]
    assert percentile_interval(values, 0.99) == (2.0, 3.0) or percentile_interval(values, 0.99) == (3.0, 3.0)
    low, high = percentile_interval(values, 0.5)
    assert (low, percentile(values, 0.5), high) == (1.0, 2.0, 3.0)
