"""What a review settles is learnt as it was said, and what it has not settled is not learnt at all."""

from __future__ import annotations

import dataclasses

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.rows import read_rows
from seekloop.learn import LearnInputs, LearnSpec, run
from seekloop.learn.mining.selection import Pick
from seekloop.learn.review import fill
from seekloop.learn.review.desk import Desk
from seekloop.serve.traffic import collect
from tests.learn.conftest import Production, answer, feedback
from tests.learn.review.turning import Clock


@pytest.fixture
def window(ctx: RunContext, production):
    made: Production = production()
    release = made.release.id
    ctx.ledger.record_answers([dataclasses.replace(answer(number), release=release) for number in range(3)])
    return made


def desk(ctx: RunContext, reviewer: str) -> Desk:
    fill([Pick(answer="ans_0001", score=1.0, reasons=("disagreement",))], ctx.ledger, actor="test", opinions=1)
    labels = ("card_lost", "wrong_fee")
    return Desk(ctx.ledger, reviewer=reviewer, clock=Clock(), form="label_then_text", labels=labels)


def lesson_of(ctx: RunContext, made: Production):
    inputs = LearnInputs(traffic=collect(ctx), report=made.report)
    return run(LearnSpec(min_corrections=1), inputs, ctx=ctx)


def test_a_correction_of_a_reviewer_is_trained_once_with_its_text(ctx: RunContext, window: Production):
    desk(ctx, "ann").decide("ans_0001", "correct", label="wrong_fee", correction="We refund it.")
    lesson = lesson_of(ctx, window)
    rows = [row for row in read_rows(ctx.store.path(lesson.corpus, "rows.jsonl")) if row.dropped is None]
    assert [(row.label, row.messages[-1].content) for row in rows] == [("wrong_fee", "We refund it.")]


def test_while_two_reviewers_disagree_nothing_is_learnt_of_it(ctx: RunContext, window: Production):
    desk(ctx, "ann").decide("ans_0001", "correct", label="wrong_fee", correction="We refund it.")
    first = desk(ctx, "ann")
    first.doubt("ans_0001")
    desk(ctx, "bob").decide("ans_0001", "correct", label="card_lost", correction="We look for it.")
    lesson = lesson_of(ctx, window)
    assert (lesson.verdict, lesson.corpus) == ("wait", None)


def test_feedback_on_an_erased_answer_is_passed_over(ctx: RunContext, window: Production):
    ctx.ledger.record_feedback(feedback(1, label="wrong_fee", correction="We refund it."))
    ctx.ledger.erase("ans_0001", actor="test", reason="asked for")
    traffic = collect(ctx, after="2026-01-01T12:00:00+00:00")
    assert traffic.feedback == 0
