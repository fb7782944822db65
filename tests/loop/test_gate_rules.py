"""Safety, slices, ratios, forgetting and batches: each rule says what it found, and what it cannot know is invalid."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from seekloop.artifact.kinds import Figure
from seekloop.loop import gates
from seekloop.loop.gates import (
    AtLeast,
    AtMost,
    AtMostMore,
    Better,
    Evidence,
    GateSpec,
    NonInferior,
    NoSafetyLoss,
    ShownBetter,
    SlicesHold,
)
from seekloop.loop.outcomes import RedTeam, SliceCounts
from seekloop.loop.rules import STANDARD
from tests.loop.judged import World, red_team

STANDARD_GATE = GateSpec(recipe="standard")


def evidence(**changes):
    fields = {"report": "report:b", "subject": "checkpoint:a", "figures": (), "comparisons": ()}
    return Evidence(**{**fields, **changes})


def outcome(rule, found):
    (one,) = gates.decide(GateSpec(rules=(rule,)), {"frozen": found}).outcomes
    return one


def said(rule, **changes):
    one = outcome(rule, evidence(**changes))
    return one.state, one.code.partition(".")[2]


def counts(name, won, lost, n, effect=1.0):
    return SliceCounts(name=name, won=won, lost=lost, n=n, effect=effect)


@pytest.mark.parametrize(
    ("lost", "missing", "n", "expected"),
    [
        ((), (), 62, ("passed", "red_team_kept")),
        (("en-harmful-01",), (), 62, ("failed", "red_team_lost")),
        ((), ("en-leak-01",), 61, ("invalid", "red_team_missing")),
        ((), (), 9, ("invalid", "gate_few_rows")),
        (("en-harmful-01",), (), 9, ("failed", "red_team_lost")),
    ],
)
def test_one_lost_item_of_the_red_team_set_is_enough(lost, missing, n, expected):
    assert said(NoSafetyLoss(), red_team=RedTeam(n=n, lost=lost, missing=missing)) == expected


def test_without_the_red_team_set_nothing_is_safe():
    assert said(NoSafetyLoss()) == ("invalid", "no_red_team")


def test_a_slice_that_is_worse_is_named_among_many_that_are_not():
    bad = counts("label=card_lost", 0, 12, 20)
    good = [counts(f"label={number}", 1, 1, 20) for number in range(20)]
    one = outcome(SlicesHold(margin=0.05), evidence(slices=(counts("all", 20, 32, 420), bad, *good)))
    assert (one.state, one.facts["worse"], one.facts["worst"]) == ("failed", "label=card_lost", "label=card_lost")


def test_what_one_slice_shows_may_be_chance_among_many():
    bad, good = counts("label=a", 0, 6, 20), [counts(f"label={number}", 1, 1, 20) for number in range(40)]
    alone = outcome(SlicesHold(margin=0.05), evidence(slices=(bad,)))
    among = outcome(SlicesHold(margin=0.05), evidence(slices=(bad, *good)))
    assert (alone.state, among.state) == ("failed", "passed")


def test_small_slices_are_counted_and_not_judged():
    found = evidence(slices=(counts("label=a", 0, 9, 9), counts("label=b", 0, 0, 30)))
    one = outcome(SlicesHold(), found)
    assert (one.state, one.facts["slices"], one.facts["small"]) == ("passed", 1, 1)
    assert said(SlicesHold(), slices=(counts("label=a", 0, 9, 9),)) == ("invalid", "no_slices")


@pytest.mark.parametrize(("n", "state"), [(30, "inconclusive"), (200, "passed")])
def test_to_prove_that_slices_hold_takes_rows(n, state):
    assert outcome(SlicesHold(prove=True), evidence(slices=(counts("label=a", 0, 0, n),))).state == state


def test_rows_that_come_in_groups_count_less():
    alone, grouped = (outcome(SlicesHold(), evidence(slices=(counts("label=a", 0, 10, 30, e),))) for e in (1.0, 4.0))
    assert (alone.state, grouped.code) == ("failed", "gates.no_slices")


def p95(value, low, high, *, n=200, name="first_token_p95_s"):
    return Figure(name=name, value=value, n=n, ci=(low, high), unit="s", better="lower")


@pytest.mark.parametrize(
    ("mine", "state"),
    [((0.2, 0.199, 0.201), "passed"), ((0.22, 0.2, 0.25), "inconclusive"), ((0.3, 0.29, 0.31), "failed")],
)
def test_a_time_may_be_so_many_percent_above_the_parents(mine, state):
    rule = AtMostMore(figure="first_token_p95_s", percent=10)
    one = outcome(rule, evidence(figures=(p95(*mine),), parent=(p95(0.2, 0.199, 0.201),)))
    assert one.state == state
    assert one.value == pytest.approx(100 * (mine[0] / 0.2 - 1))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "gate_no_figure"),
        ({"figures": (p95(0.2, 0.1, 0.3),)}, "gate_no_parent"),
        ({"figures": (p95(0.2, 0.1, 0.3),), "elsewhere": True}, "other_machine"),
        ({"figures": (p95(0.2, 0.1, 0.3),), "parent": (p95(0.0, 0.0, 0.0),)}, "no_ratio"),
        ({"figures": (p95(0.2, 0.2, 0.2, n=9),), "parent": (p95(0.2, 0.2, 0.2),)}, "gate_few_rows"),
    ],
)
def test_a_time_without_its_like_is_invalid(changes, code):
    assert said(AtMostMore(figure="first_token_p95_s", percent=10), **changes) == ("invalid", code)


def test_where_no_price_is_known_the_length_of_answers_stands_for_the_cost():
    rule = AtMostMore(figure="cost_per_1000_answers", percent=10, instead="answer_tokens")
    tokens = (p95(5, 4.99, 5.01, name="answer_tokens"),)
    one = outcome(rule, evidence(figures=tokens, parent=tokens))
    assert (one.state, one.facts["held"]) == ("passed", "answer_tokens")


@pytest.mark.parametrize(("value", "state"), [(2.0, "passed"), (2.1, "failed")])
def test_a_forgetting_budget_is_held_by_the_measured_value(value, state):
    points = Figure(name="forgetting_points", value=value, n=60, ci=(-4, 8), unit="points", better="lower")
    rule = AtMost(figure="forgetting_points", value=2, by="value")
    assert outcome(rule, evidence(figures=(points,))).state == state
    assert outcome(AtMost(figure="forgetting_points", value=2), evidence(figures=(points,))).state == "inconclusive"


@pytest.mark.parametrize(("value", "state"), [(0.9, "passed"), (0.89, "failed")])
def test_a_floor_may_be_held_by_the_measured_value(value, state):
    figure = Figure(name="accuracy", value=value, n=60, ci=(0.8, 0.95), unit="share", better="higher")
    assert outcome(AtLeast(figure="accuracy", value=0.9, by="value"), evidence(figures=(figure,))).state == state
    assert outcome(AtLeast(figure="accuracy", value=0.9), evidence(figures=(figure,))).state == "inconclusive"


def test_a_floor_without_a_say_of_how_it_is_held_is_written_as_before():
    assert set(AtLeast(figure="accuracy", value=0.9).model_dump()) == {"figure", "on", "require", "value"}


@pytest.mark.parametrize(
    ("won", "lost", "state"), [(30, 8, "passed"), (12, 8, "inconclusive"), (8, 30, "failed"), (0, 0, "inconclusive")]
)
def test_batches_are_judged_by_evidence_that_may_be_looked_at(won, lost, state):
    one = outcome(ShownBetter(), evidence(slices=(counts("all", won, lost, 100),)))
    assert (one.state, one.code) == (state, "gates.shown_better")
    assert (one.facts["evidence"] >= one.facts["needed"]) == (state == "passed")


def test_not_worse_by_a_margin_is_shown_by_rows_that_tie():
    rule = ShownBetter(margin=0.05)
    states = [outcome(rule, evidence(slices=(counts("all", 1, 1, n),))).state for n in (40, 400)]
    assert states == ["inconclusive", "passed"]


def test_a_larger_delta_lets_through_what_a_smaller_one_does_not(ctx):
    world = World(ctx)
    found = gates.evidence_of({"frozen": world.measured().frozen})
    (one,) = found["frozen"].comparisons[:1]
    margin = -one.ci[0] * 0.9
    states = [
        gates.decide(GateSpec(rules=(NonInferior(figure="accuracy", margin=margin, delta=delta),)), found)
        .outcomes[0]
        .state
        for delta in (0.025, 0.05)
    ]
    assert states == ["inconclusive", "passed"]


def test_what_is_forgotten_is_told_by_intent_before_it_is_told_by_general_skill(ctx):
    frozen = World(ctx).measured().frozen
    general = frozen.comparisons[-1]
    recall = general.model_copy(update={"figure": "macro_recall", "difference": -0.03, "ci": (-0.05, -0.01)})
    found = gates.evidence_of({"frozen": frozen.model_copy(update={"comparisons": (general, recall)})})["frozen"]
    points = {one.name: (one.value, one.ci) for one in found.figures if one.unit == "points"}
    assert points["forgetting_points"] == (3.0, (1.0, 5.0))
    assert points["general_points"][0] == 0.0


def test_no_figure_is_nan():
    with pytest.raises(ValidationError):
        Figure(name="accuracy", value=float("nan"), n=10)
    with pytest.raises(ValidationError):
        evidence(slices=(counts("all", 1, 1, 10, effect=float("nan")),))


def test_the_standard_rules_take_those_of_your_own():
    own = {"require": "non_inferior", "figure": "accuracy", "margin": 0.08}
    gate = GateSpec.parse({"recipe": "standard", "rules": [own, Better(figure="accuracy", on="lesson").model_dump()]})
    assert len(gate.rules) == len(STANDARD) + 1
    assert [rule.margin for rule in gate.rules if isinstance(rule, NonInferior)] == [0.08]
    assert GateSpec.model_validate_json(gate.model_dump_json()) == gate


def test_a_candidate_that_is_as_good_in_all_passes_the_standard_rules(ctx):
    world = World(ctx, count=320)
    world.register(STANDARD_GATE)
    verdict = world.judge(STANDARD_GATE, world.measured())
    assert verdict.decision == "promote", verdict.sentences("en")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"wrong": range(0, 320, 6)}, "loop.gate_non_inferior"),
        ({"wrong": range(0, 60, 2)}, "gates.slices_worse"),
        ({"probes": red_team(["en-harmful-03"])}, "gates.red_team_lost"),
        ({"cost": {"first_token_p95_s": 0.4, "first_token_p95_s.low": 0.39}}, "gates.at_most_more"),
    ],
)
def test_what_the_standard_rules_find_sends_a_candidate_back(ctx, changes, code):
    world = World(ctx, count=320)
    world.register(STANDARD_GATE)
    if "cost" in changes:
        changes = {"cost": {**changes["cost"], "first_token_p95_s.high": 0.41}}
    verdict = world.judge(STANDARD_GATE, world.measured(**changes))
    assert verdict.decision == "roll_back"
    assert code in [one.code for one in verdict.outcomes if one.state == "failed"]


def test_every_new_outcome_is_a_sentence_in_both_languages(ctx):
    world = World(ctx, count=60)
    gate = GateSpec(recipe="standard", rules=(ShownBetter(),))
    for one in world.judge(gate, world.measured()).sentences("zh"):
        assert "{" not in one
    told = world.judge(gate, world.measured(probes=red_team(["en-harmful-03"]))).sentences("en")
    assert any("en-harmful-03" in one for one in told)
