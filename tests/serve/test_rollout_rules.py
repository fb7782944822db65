"""Placing, counting and judging, without a gateway: pure functions of ids, events and counts."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.metrics.sequential import bin_of
from seekloop.serve.rollout.counts import ArmCounts, Counts
from seekloop.serve.rollout.place import arm_at, point, unit_of
from seekloop.serve.rollout.spec import RolloutSpec
from seekloop.serve.rollout.verdict import decide
from seekloop.system import digests
from seekloop.system.errors import UsageError

WORDS = st.text(min_size=1, max_size=12)
SHARES = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True).map(sorted)


def spec(*shares, **changes):
    steps = [{"share": share, "answers": 20, "minutes": 1} for share in shares or (0.1, 0.5)]
    plan = {"mode": "canary", "candidate": "release:new", "steps": steps}
    return RolloutSpec.parse({"plan": plan, **changes})


def counts(*, step=0, **arms):
    made = Counts()
    for name, values in arms.items():
        vars(made.at(step, f"release:{name}")).update(vars(ArmCounts(**values)))
    return made


def judged(rules, *, step=0, minutes=5.0, **arms):
    return decide(spec(rules=rules), counts(step=step, **arms), control="release:old", step=step, minutes=minutes)


@given(WORDS, WORDS, WORDS)
def test_a_caller_has_the_same_place_every_time_and_another_in_the_next_rollout(rollout, tenant, who):
    unit = unit_of(rollout, tenant, who=who)
    assert unit == unit_of(rollout, tenant, who=who)
    assert 0 <= point(unit) < 1
    assert unit != unit_of(f"{rollout}'", tenant, who=who)
    assert unit != unit_of(rollout, f"{tenant}'", who=who)


@given(WORDS, SHARES)
def test_a_growing_share_moves_callers_only_towards_the_candidate(who, shares):
    place = point(unit_of("r", "t", who=who))
    seen = [arm_at(place, [("new", share)]) for share in shares]
    assert seen == sorted(seen, key=lambda arm: arm is not None)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_shares_are_kept_within_a_point_over_ten_thousand_callers(share):
    places = [point(unit_of("r", "t", who=str(number))) for number in range(10_000)]
    arms = [arm_at(place, [("a", share), ("b", 0.2)]) for place in places]
    assert abs(arms.count("a") / 10_000 - share) < 0.01
    assert abs(arms.count("b") / 10_000 - 0.2) < 0.01


def test_a_step_ends_when_it_was_long_enough_and_nothing_is_against_it():
    rules = [{"watch": "errors"}]
    fine = {"old": {"asked": 200, "failed": 1}, "new": {"asked": 20}}
    assert judged(rules, **fine).action == "step"
    assert judged(rules, minutes=0.5, **fine).action == "hold"
    assert judged(rules, old={"asked": 200}, new={"asked": 19}).action == "hold"


def test_what_looks_worse_holds_and_what_is_worse_is_rolled_back():
    rules = [{"watch": "errors", "margin": 0.02}]
    unlucky = judged(rules, old={"asked": 200}, new={"asked": 20, "failed": 1})
    bad = judged(rules, old={"asked": 200}, new={"asked": 20, "failed": 8})
    assert [(one.action, one.outcomes[0].state) for one in (unlucky, bad)] == [
        ("hold", "worse"),
        ("roll_back", "failed"),
    ]


def test_the_last_step_waits_for_what_must_be_proven():
    rules = [{"watch": "score", "margin": 0.1}]
    few = {"scored": 30, "score": 28.0}
    many = {"scored": 900, "score": 840.0}
    arms = {"old": {"asked": 900, **many}, "new": {"asked": 900}}
    assert judged(rules, **{**arms, "new": {"asked": 900, **few}}).action == "step"
    assert judged(rules, step=1, **{**arms, "new": {"asked": 900, **few}}).action == "hold"
    proven = judged(rules, step=1, **{**arms, "new": {"asked": 900, **many}})
    assert (proven.action, [one.state for one in proven.outcomes]) == ("step", ["open", "proven"])


def test_one_stopped_answer_more_holds_and_many_roll_back():
    rules = [{"watch": "safety"}]
    assert judged(rules, old={"asked": 500}, new={"asked": 50, "filtered": 1}).action == "hold"
    assert judged(rules, old={"asked": 500}, new={"asked": 50, "filtered": 8}).action == "roll_back"


def test_slow_answers_roll_back():
    rules = [{"watch": "total", "quantile": 0.9, "ratio": 1.5}]
    old = {"asked": 300, "total": {bin_of(100): 300}}
    assert judged(rules, old=old, new={"asked": 60, "total": {bin_of(250): 60}}).action == "roll_back"
    assert judged(rules, old=old, new={"asked": 60, "total": {bin_of(120): 60}}).action == "step"


def test_a_failure_in_an_earlier_step_is_not_forgotten():
    made = counts(old={"asked": 200}, new={"asked": 20, "failed": 12})
    verdict = decide(spec(rules=[{"watch": "errors"}]), made, control="release:old", step=1, minutes=0.0)
    assert [(one.step, one.state) for one in verdict.outcomes] == [(0, "failed"), (1, "open")]
    assert verdict.action == "roll_back"


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60))
def test_a_verdict_made_again_from_its_stored_counts_has_the_same_bytes(failed, scored, slow):
    quick, late = Counter({bin_of(20): 90}), Counter({bin_of(90): slow + 1})
    heard = {"scored": scored, "score": scored / 3}
    arms = {
        "old": {"asked": 100, "scored": 50, "score": 47.5, "first_token": quick},
        "new": {"asked": 40, "failed": failed, **heard, "first_token": late},
    }
    rules = [{"watch": "errors"}, {"watch": "score"}, {"watch": "first_token"}]
    made = counts(**arms)
    again = Counts.of_json(made.as_json())
    assert again.as_json() == made.as_json()
    first, second = (
        decide(spec(rules=rules), one, control="release:old", step=0, minutes=3.0).model_dump(mode="json")
        for one in (made, again)
    )
    assert digests.canonical(first) == digests.canonical(second)


def test_the_tests_of_a_rollout_share_its_alpha():
    (outcome,) = judged([{"watch": "errors"}], old={"asked": 5}, new={"asked": 5}).outcomes
    assert outcome.needed == round(math.log(2 / 0.05), 4)


def test_a_candidate_that_is_as_good_is_rarely_rolled_back_however_often_it_is_judged():
    random_, wrong = random.Random(3), 0
    rules = [{"watch": "errors"}, {"watch": "score"}, {"watch": "safety"}]
    plan = spec(0.3, rules=rules)
    for _ in range(40):
        made = Counts()
        for number in range(120):
            arm = made.at(0, random_.choices(["release:new", "release:old"], [3, 7])[0])
            arm.asked += 1
            arm.failed += random_.random() < 0.02
            arm.filtered += random_.random() < 0.02
            arm.scored += 1
            arm.score += random_.random() < 0.8
            if number % 6 == 0 and decide(plan, made, control="release:old", step=0, minutes=0.0).failed:
                wrong += 1
                break
    assert wrong <= 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rules": [{"watch": "errors"}, {"watch": "errors"}]}, "two rules watch the same"),
        ({"plan": {"mode": "shadow", "candidate": "a"}, "rules": [{"watch": "score"}]}, "nobody sees a shadow"),
        ({"plan": {"mode": "canary", "candidate": "a", "steps": [{"share": 0.5}, {"share": 0.1}]}}, "larger share"),
        ({"plan": {"mode": "split", "arms": [{"release": "a", "share": 0.5}] * 2}}, "two arms"),
        ({"plan": {"mode": "canary", "candidate": "a", "stepz": []}}, "did you mean steps"),
    ],
)
def test_a_rule_file_that_cannot_be_meant_is_a_sentence(changes, words):
    with pytest.raises(UsageError) as wrong:
        RolloutSpec.parse({"plan": {"mode": "canary", "candidate": "a"}, **changes})
    assert words in wrong.value.sentence("en")
