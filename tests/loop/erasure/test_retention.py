"""Texts go by age, in bulk, with the keys that open nothing more; what a hold is on stays; the job is in the chain."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from seekloop.artifact.kinds import Traffic
from seekloop.artifact.ledger import Answer, Feedback, Ledger
from seekloop.artifact.vault import Vault
from seekloop.artifact.wrapping import KeyFile
from seekloop.loop import retention
from seekloop.loop.erasure import holds
from seekloop.loop.erasure.target import Target
from seekloop.loop.retention_spec import RetentionSpec
from seekloop.system.clock import ManualClock
from seekloop.system.spec import Spec


class NoOptions(Spec):
    """A spec without options."""


@pytest.fixture
def room(ctx, tmp_path):
    """Three old answers of Ann, one old and one new of Bob, an old piece of feedback on each of Bob's."""
    clock = ManualClock()
    (tmp_path / "old").mkdir()
    vault = Vault(f"sqlite:///{tmp_path / 'old' / 'vault.db'}", KeyFile(tmp_path / "old" / "payload.key"))
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'old' / 'ledger.db'}", key=b"k" * 32, vault=vault, clock=clock)
    room = dataclasses.replace(ctx, ledger=ledger, clock=clock)
    ledger.record_answers([answer(number, "ann" if number < 3 else "bob") for number in range(4)])
    ledger.record_feedback(Feedback(id="fb", answer="ans_3", at="2026-01-01", caller="app", comment="no"))
    with room.job("serve", NoOptions()) as job:
        job.path("answers.jsonl").write_text('{"id": "ans_0"}\n')
        job.commit(Traffic(made_by=job.origin, answers=1, feedback=0, releases=()))
    clock.advance(dt.timedelta(days=100).total_seconds())
    ledger.record_answers([answer(4, "bob")])
    yield room
    ledger.close()


def answer(number: int, user: str) -> Answer:
    figures = {
        "finish_reason": "stop",
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "first_token_ms": 1.0,
        "total_ms": 2.0,
    }
    texts = {"messages": [{"role": "user", "content": "?"}], "content": "!"}
    return Answer(
        id=f"ans_{number}",
        release="release:1",
        at="2026-01-01",
        caller="app",
        subject=f"bank/app/{user}",
        **figures,
        **texts,
    )


def left(room) -> list[str]:
    return [one.id for one in room.ledger.answers()]


def test_old_answers_go_with_what_was_said_of_them_and_the_keys_that_open_nothing(room):
    keys = {room.ledger.answered(f"ans_{number}").facts["key"] for number in range(3)}
    (done,) = retention.apply(RetentionSpec(answers=30), ctx=room)
    assert (done.count, done.keys) == (5, 1)
    assert left(room) == ["ans_4"]
    assert room.ledger.feedback() == []
    event = next(room.ledger.events(kind="payloads.expired"))
    assert set(event.facts["keys"]) == keys
    events = room.ledger.verify()
    room.ledger.rebuild()
    assert room.ledger.verify() == events


def test_the_job_is_an_event_and_again_it_destroys_nothing(room):
    retention.apply(RetentionSpec(answers=30), ctx=room)
    (again,) = retention.apply(RetentionSpec(answers=30), ctx=room)
    assert (again.count, again.keys) == (0, 0)
    assert [event.facts["gone"]["answers"][1] for event in room.ledger.events(kind=retention.APPLIED)] == [5, 0]


def test_a_plan_counts_and_changes_nothing(room):
    events = room.ledger.verify()
    (ahead,) = retention.apply(RetentionSpec(answers=30), ctx=room, plan=True)
    assert ahead.count == 5
    assert room.ledger.verify() == events


def test_feedback_may_go_before_its_answer(room):
    (done,) = retention.apply(RetentionSpec(feedback=30), ctx=room)
    assert (done.count, done.keys) == (1, 0)
    assert len(left(room)) == 5


@pytest.mark.parametrize("held", [Target(answers=("ans_0",)), Target(subjects=("bank/app/ann",))])
def test_what_a_hold_is_on_stays(room, held):
    holds.place(held, reason="court", ctx=room)
    retention.apply(RetentionSpec(answers=30, traffic=30), ctx=room)
    assert "ans_0" in left(room)
    holds.lift(held, reason="over", ctx=room)
    retention.apply(RetentionSpec(answers=30), ctx=room)
    assert left(room) == ["ans_4"]


def test_whoever_comes_again_after_their_key_went_gets_a_new_one(room):
    retention.apply(RetentionSpec(answers=30), ctx=room)
    room.ledger.record_answers([answer(5, "ann")])
    assert left(room) == ["ans_4", "ans_5"]
    room.ledger.verify()


def test_old_traffic_loses_its_files(room):
    spec = RetentionSpec(traffic=30)
    room.clock.advance(dt.timedelta(days=1).total_seconds())
    (done,) = retention.apply(spec, ctx=room)
    (traffic,) = room.ledger.artifacts("traffic")
    assert done.count == 1
    assert not (room.store.folder(traffic.id) / "answers.jsonl").exists()
    assert retention.apply(spec, ctx=room)[0].count == 0
