"""Decisions follow from what was read: nothing came in between, and an alias moves with its event or not at all."""

import pytest

from seekloop.artifact.ledger import Alias, Answer, Turn
from seekloop.system.errors import LedgerError

KINDS = ("vote.cast", "vote.closed")


def turn(ledger):
    """Having read everything."""
    return Turn(kinds=KINDS, seq=max((event.seq for event in ledger.events(kind=KINDS)), default=0))


def move(version):
    return Alias(name="production", target=f"release:{version}", version=version, actor="a", reason="r", at="")


def answer(identity, **facts):
    return Answer(
        id=identity,
        release="release:1",
        at="2026-01-01T00:00:00+00:00",
        caller="c",
        messages=[{"role": "user", "content": "Hi"}],
        content="Hello",
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        first_token_ms=1.0,
        total_ms=2.0,
        **facts,
    )


def test_of_two_who_read_the_same_one_decides(ledger):
    seen = turn(ledger)
    ledger.note_next("vote.cast", "v", facts={}, actor="a", after=seen)
    with pytest.raises(LedgerError) as late:
        ledger.note_next("vote.closed", "v", facts={}, actor="b", after=seen)
    assert late.value.code == "artifact.decided_since"
    assert [event.kind for event in ledger.events()] == ["vote.cast"]


def test_events_of_other_kinds_are_no_decision(ledger):
    seen = turn(ledger)
    ledger.note("weather.changed", "w", facts={}, actor="a")
    assert ledger.note_next("vote.cast", "v", facts={}, actor="a", after=seen).seq == 2


def test_an_alias_moves_with_its_event_or_neither_is_there(ledger):
    ledger.note_next("vote.cast", "v", facts={}, actor="a", after=turn(ledger), move=move(1))
    assert ledger.alias("production").target == "release:1"
    with pytest.raises(LedgerError) as late:
        ledger.note_next("vote.closed", "v", facts={}, actor="a", after=turn(ledger), move=move(1))
    assert late.value.code == "artifact.alias_moved"
    assert [event.kind for event in ledger.events()] == ["vote.cast", "alias.moved"]
    assert ledger.verify() == 2


def test_kinds_that_the_ledger_writes_itself_are_refused(ledger):
    with pytest.raises(ValueError, match="own methods"):
        ledger.note_next("alias.moved", "v", facts={}, actor="a", after=turn(ledger))


def test_an_answer_keeps_its_arm_and_one_without_a_rollout_has_none(ledger):
    ledger.record_answers([answer("ans_1", arm={"rollout": "r", "arm": "release:1"}), answer("ans_2")])
    assert [one.arm for one in ledger.answers()] == [{"rollout": "r", "arm": "release:1"}, {}]
    assert "arm" not in ledger.answered("ans_2").facts


def test_a_shadow_needs_its_answer_and_its_text(ledger):
    with pytest.raises(LedgerError) as missing:
        ledger.record_shadow(answer("ans_s"), of="ans_1")
    assert missing.value.code == "artifact.no_answer"
    ledger.record_answers([answer("ans_1")])
    assert ledger.record_shadow(answer("ans_s"), of="ans_1")
    ledger.erase("ans_1", actor="a", reason="asked for")
    assert not ledger.record_shadow(answer("ans_t"), of="ans_1")
    assert ledger.shadows("ans_1") == []
    ledger.verify()
    ledger.rebuild()
    ledger.verify()
