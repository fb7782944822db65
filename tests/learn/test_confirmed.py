"""Answers that staff confirmed, learnt beside the corrections."""

from __future__ import annotations

import dataclasses

import pytest

from seekloop.artifact.rows import Message, Row, Source
from seekloop.learn import stage
from seekloop.learn.confirmed import chosen
from seekloop.learn.findings import Finding
from seekloop.learn.judging import Judgement
from seekloop.learn.speakers import Speaker
from seekloop.learn.spec import LearnInputs, LearnSpec
from seekloop.learn.traffic import Heard
from seekloop.learn.trust_spec import TrustSpec
from tests.learn.conftest import answer, feedback
from tests.learn.test_stage import fixed, rows_of

STAFF = TrustSpec(staff=("agent",))
TWO = LearnSpec(min_corrections=1, max_confirmed=2, trust=STAFF)


def confirmed(number, question, content="card_lost\nWe block it.", *, caller="agent", finish_reason="stop"):
    turn = {"role": "user", "content": question}
    said = answer(number, content, messages=[turn], finish_reason=finish_reason)
    heard = Heard(
        answer=said,
        line=number,
        turns=(Message.model_validate(turn),),
        feedback=feedback(number, score=1.0, caller=caller),
        speaker=Speaker(caller),
    )
    return Finding(heard=heard, judgement=Judgement(reason="confirmed"), consent="assumed")


def known():
    for number, (text, label) in enumerate((("I lost my card", "card_lost"), ("This fee is wrong", "wrong_fee"))):
        source = Source(file="rows", line=number + 1)
        yield Row(id=f"row{number}", messages=(Message(role="user", content=text),), label=label, source=source)


def choose(found, spec=TWO, form="label_then_text"):
    return [one.heard.line for one in chosen(found, spec, known=known, form=form)]


def test_the_label_with_the_fewest_rows_comes_first():
    rare = confirmed(3, "Round up my coins", "savings_pot\nYour pot is open.")
    assert choose([confirmed(1, "My plastic ran off"), confirmed(2, "Orbit is gone"), rare])[0] == 3


def test_of_a_label_the_newest_wording_comes_first():
    assert choose([confirmed(1, "I lost my card"), confirmed(2, "omg plastic did a runner")])[0] == 2


@pytest.mark.parametrize(
    "left_out",
    [
        confirmed(1, "Orbit is gone", caller="customer"),
        confirmed(1, "Orbit is gone", finish_reason="length"),
        confirmed(1, "Orbit is gone", "card_lost"),
        dataclasses.replace(confirmed(1, "Orbit is gone"), consent=""),
        dataclasses.replace(confirmed(1, "Orbit is gone"), dropped="overruled"),
    ],
    ids=["not staff", "cut off", "no reply", "not allowed", "overruled"],
)
def test_what_is_not_surely_right_or_may_not_be_learnt_is_left_out(left_out):
    assert choose([left_out, confirmed(2, "Zap never came")]) == [2]


def test_a_conversation_that_somebody_corrected_is_not_learnt_as_it_was():
    wrong = confirmed(1, "Orbit is gone")
    wrong = dataclasses.replace(wrong, judgement=Judgement(reason="corrected", label="wrong_fee", text="No."))
    assert choose([wrong, confirmed(2, "orbit is gone!")]) == []


def test_equal_conversations_are_learnt_once():
    assert choose([confirmed(1, "Orbit is gone"), confirmed(2, "orbit is gone!")]) == [1]


def test_it_becomes_a_row_beside_the_corrections_and_is_counted(ctx, production):
    place = production()
    given = [fixed(1), feedback(2, score=1.0), feedback(3, score=1.0, caller="customer-3")]
    traffic = place.traffic([answer(1), answer(2), answer(3)], given)
    lesson = stage.run(TWO, LearnInputs(traffic=traffic, report=place.report), ctx=ctx)
    corrected, right = rows_of(lesson, ctx)
    assert (right.label, right.messages[-1].content, right.dropped) == ("card_lost", "We block it.", None)
    assert (corrected.label, right.meta) == ("wrong_fee", {"feedback": "fb-2", "consent": "assumed"})
    assert (lesson.counts["kept"], lesson.counts["confirmed"], lesson.counts["reinforced"]) == (1, 2, 1)


def test_without_a_cap_of_its_own_nothing_confirmed_is_learnt(ctx, production):
    place = production()
    traffic = place.traffic([answer(1), answer(2)], [fixed(1), feedback(2, score=1.0)])
    spec = LearnSpec(min_corrections=1, trust=STAFF)
    lesson = stage.run(spec, LearnInputs(traffic=traffic, report=place.report), ctx=ctx)
    assert len(rows_of(lesson, ctx)) == 1
    assert "reinforced" not in lesson.counts
