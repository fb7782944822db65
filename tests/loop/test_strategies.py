"""Which way of training goes on, and what a later round does unless told otherwise."""

from __future__ import annotations

import itertools

import pytest

from seekloop.loop.incremental_spec import IncrementalSpec
from seekloop.loop.strategies import Choice, Difference, Skipped, Tried, choose
from seekloop.system.errors import UsageError


def tried(strategy: str, decision: str = "inconclusive", *cis: tuple[float, float]) -> Tried:
    differences = [Difference(on="frozen", figure="accuracy", difference=sum(ci) / 2, ci=ci, n=100) for ci in cis]
    return Tried(
        strategy=strategy,
        candidate=f"checkpoint:{strategy}",
        decision=decision,
        reports={},
        seconds=1.0,
        tokens=2.0,
        differences=tuple(differences),
    )


@pytest.mark.parametrize(
    ("decision", "cis", "strategy", "reason"),
    [
        ("promote", [(-0.3, -0.1)], "retrain", "gate"),
        ("roll_back", [(0.1, 0.3)], "continue", "first"),
        ("inconclusive", [(0.01, 0.3), (-0.1, 0.1)], "retrain", "figures"),
        ("inconclusive", [(0.01, 0.3), (-0.2, -0.01)], "continue", "first"),
        ("inconclusive", [(-0.1, 0.2)], "continue", "first"),
        ("inconclusive", [], "continue", "first"),
    ],
)
def test_another_strategy_goes_on_only_where_it_is_shown_to_be_better(decision, cis, strategy, reason):
    found = choose([tried("continue"), tried("retrain", decision, *cis)])
    assert (found.strategy, found.reason, found.chosen) == (strategy, reason, f"checkpoint:{strategy}")


def test_the_gate_s_order_is_promote_inconclusive_hold_reject():
    order = ["promote", "inconclusive", "hold", "roll_back"]
    for better, worse in itertools.combinations(order, 2):
        assert choose([tried("continue", worse), tried("retrain", better)]).reason == "gate"
        assert choose([tried("continue", better), tried("retrain", worse)]).reason == "first"


def test_a_choice_is_read_back_as_it_was_recorded():
    skipped = Skipped(strategy="retrain", minutes=31.5, allowed=10)
    found = choose([tried("continue")], [skipped])
    assert found.reason == "only"
    assert Choice.model_validate(found.facts) == found


@pytest.mark.parametrize(
    ("method", "rate", "epochs"),
    [({}, 4e-4, 2), ({"type": "lora", "rank": 4}, 4e-4, 2), ({"type": "full"}, 5e-6, 1), ({"type": "prompt"}, None, 3)],
)
def test_a_later_round_is_gentle_in_its_method_s_own_measure(method, rate, epochs):
    tune = IncrementalSpec.parse({"tune": {"method": method}} if method else {}).tune
    assert (tune.learning_rate, tune.epochs) == (rate, epochs)


def test_what_is_said_stands_and_the_rest_is_a_later_round_s():
    spec = IncrementalSpec.parse(
        {
            "tune": {"num_train_epochs": 5, "method": "full", "optimizer": "parent"},
            "data": {"dedupe": {"similarity": 0.8}, "replay": {"rows": 9}},
        }
    )
    assert (spec.tune.epochs, spec.tune.learning_rate) == (5, 5e-6)
    assert (spec.tune.optimizer.save, spec.tune.optimizer.take) == (True, True)
    assert (spec.data.dedupe.similarity, spec.data.dedupe.trained) == (0.8, "drop")
    assert spec.data.replay is not None and spec.data.replay.rows == 9
    plain = IncrementalSpec()
    assert plain.data.replay is not None and plain.data.replay.share == 0.3
    assert plain == IncrementalSpec.parse(plain.model_dump())
    assert IncrementalSpec.parse({"data": {"replay": None}}).data.replay is None


def test_a_strategy_is_named_once():
    with pytest.raises(UsageError) as caught:
        IncrementalSpec.parse({"strategies": ["retrain", "retrain"]})
    assert caught.value.code == "system.spec_bad_value"
