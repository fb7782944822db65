"""What earlier lessons taught is held, too: a candidate that lost it is not promoted."""

from __future__ import annotations

import dataclasses

import pytest

from seekloop.artifact.kinds import Comparison, Dataset, Figure
from seekloop.artifact.rows import Message, read_rows, write_rows
from seekloop.loop import gates, registry, rehearing
from seekloop.loop.gates import AtMost, Evidence, GateSpec, NonInferior, NoSafetyLoss
from seekloop.loop.lessons import JoinInputs, JoinSpec, join
from seekloop.loop.outcomes import NOTHING
from seekloop.system.errors import UsageError
from tests.loop.judged import NoSpec, World

STANDARD_GATE = GateSpec(recipe="standard")
KEPT = AtMost(figure="forgetting_points", on="lessons", value=5, by="value")
ALONGSIDE = NonInferior(figure="accuracy", margin=0.3)


def with_lessons(world, **changes):
    """The candidate is as good as the parent on frozen and lesson, and so on what earlier lessons taught."""
    lessons = world.report(world.candidate, baseline=world.before, **changes)
    return dataclasses.replace(world.measured(), lessons=lessons, parent_lessons=world.before)


def judged(ctx, gate=STANDARD_GATE, *, lost=None):
    """The verdict and its event: of a candidate that lost these rows of earlier lessons; None: there are none."""
    world = World(ctx, count=320)
    world.register(gate)
    measured = world.measured() if lost is None else with_lessons(world, wrong=lost)
    verdict = world.judge(gate, measured)
    (event,) = ctx.ledger.events(kind="gate.verdict")
    return verdict, event


def test_a_candidate_that_lost_an_earlier_lesson_is_held_by_that_alone(ctx):
    verdict, _ = judged(ctx, lost=range(0, 320, 8))
    assert verdict.decision == "roll_back"
    (failed,) = [one for one in verdict.outcomes if one.state != "passed"]
    assert (failed.rule, failed.value, failed.n) == (KEPT, 12.5, 320)
    assert failed.sentence("en").startswith("forgetting_points on lessons: measured 12.500, n = 320; must be at most 5")


def test_what_earlier_lessons_taught_and_is_still_known_is_promoted(ctx):
    verdict, _ = judged(ctx, lost=range(0, 320, 80))
    assert verdict.decision == "promote", verdict.sentences("en")


def test_no_earlier_lesson_blocks_nothing_and_is_said(ctx):
    verdict, event = judged(ctx)
    (outcome,) = [one for one in verdict.outcomes if one.rule.on == "lessons"]
    assert (verdict.decision, outcome.state, outcome.code) == ("promote", "passed", "gates.no_earlier_lesson")
    assert "no lesson was released before that has test rows" in outcome.sentence("en")
    assert "没有需要保持的内容" in outcome.sentence("zh")
    assert event.facts["reports"]["lessons"] is None


@pytest.mark.parametrize("lost", [None, (), range(0, 320, 8)])
def test_a_verdict_on_earlier_lessons_is_made_again_to_the_byte(ctx, lost):
    _, event = judged(ctx, lost=lost)
    assert rehearing.again(event, ctx=ctx).same


def test_a_report_on_earlier_lessons_that_was_kept_back_is_found(ctx):
    verdict, event = judged(ctx, lost=range(0, 320, 8))
    evidence = {**event.facts["evidence"], "lessons": NOTHING.model_dump(mode="json")}
    found = rehearing.again(dataclasses.replace(event, facts={**event.facts, "evidence": evidence}), ctx=ctx)
    assert (verdict.decision, found.same_verdict, found.same_evidence) == ("roll_back", False, False)


def test_a_verdict_of_before_there_was_the_rule_is_made_again_to_the_byte(ctx):
    stored = STANDARD_GATE.model_dump(mode="json")
    old = GateSpec.stored({**stored, "rules": [one for one in stored["rules"] if one["on"] != "lessons"]})
    world = World(ctx, count=320)
    world.register(old)
    measured = world.measured()
    asked = {"frozen": measured.frozen, "lesson": measured.lesson}
    found = rehearing.gather(old, asked, ctx=ctx)
    verdict = gates.decide(old, found)
    registry.note_verdict(verdict, world.candidate, heard=rehearing.heard(old, found, reports=asked), ctx=ctx)
    (event,) = ctx.ledger.events(kind="gate.verdict")
    assert (len(old.rules), old.recipe) == (len(STANDARD_GATE.rules) - 1, "standard")
    assert (verdict.decision, rehearing.again(event, ctx=ctx).same) == ("promote", True)


@pytest.mark.parametrize(("points", "decision"), [(0.0, "promote"), (25.0, "roll_back")])
def test_on_earlier_lessons_no_number_of_rows_is_too_few(points, decision):
    ends = {"frozen": (0, 40, 0.0), "lessons": (-points / 100, 4, points)}
    given = {
        name: Evidence(
            report=f"report:{name}",
            subject="checkpoint:a",
            figures=(
                Figure(name="accuracy", value=0.9, n=n, ci=(0.8, 1.0)),
                Figure(name="forgetting_points", value=lost, n=n, ci=(-50, 50), unit="points", better="lower"),
            ),
            comparisons=(
                Comparison(figure="accuracy", baseline="report:p", difference=less, ci=(-0.1, 0.1), p_value=1.0, n=n),
            ),
        )
        for name, (less, n, lost) in ends.items()
    }
    assert gates.decide(GateSpec(rules=(ALONGSIDE, KEPT)), given).decision == decision


def test_a_report_on_earlier_lessons_that_is_missing_is_no_pass():
    verdict = gates.decide(GateSpec(rules=(ALONGSIDE, KEPT)), {})
    assert [one.code for one in verdict.outcomes] == ["loop.gate_no_evidence"] * 2


def test_a_question_that_was_taught_again_counts_with_its_newest_answer(ctx):
    world = World(ctx, count=4)
    first, *others = world.rows
    turns = (*first.messages[:-1], Message(role="assistant", content="card_found"))
    anew = first.model_copy(update={"id": "row:anew", "label": "card_found", "messages": turns})
    with ctx.job("data", NoSpec()) as job:
        write_rows(job.path("test.jsonl"), [anew])
        facts = {"rows": 1, "splits": {"test": 1}, "dropped": {}, "labels": ("card_found",), "answer": "label"}
        later = job.commit(Dataset(made_by=job.origin, **facts))
    made = join(JoinSpec(), JoinInputs(lessons=(world.dataset, later)), ctx=ctx)
    assert list(read_rows(ctx.store.path(made.id, "test.jsonl"))) == [anew, *others]
    assert (made.labels, made.answer) == (("card_found", "card_lost", "wrong_fee"), "label")


@pytest.mark.parametrize("rules", [(KEPT,), (ALONGSIDE, NoSafetyLoss(on="lessons"))])
def test_rules_that_may_ask_nothing_are_refused(rules):
    with pytest.raises(UsageError) as caught:
        GateSpec.parse({"rules": [one.model_dump() for one in rules]})
    assert "lessons" in caught.value.sentence("en")
