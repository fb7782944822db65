"""Answers and feedback: recorded in batches, read back whole, erased without breaking the chain."""

from __future__ import annotations

import pytest

from seekloop.system.errors import LedgerError
from tests.artifact.making import a_feedback, an_answer


def test_an_answer_comes_back_as_it_was_recorded(both):
    answer = an_answer(reasoning="想一想", decoding={"temperature": 0.5, "stop": ["\n"]})
    both.record_answers([answer])
    assert both.answer(answer.id) == answer


def test_answers_come_back_in_the_order_they_were_recorded(both):
    both.record_answers([an_answer(n) for n in (3, 1)])
    both.record_answers([an_answer(2, release="release:9")])
    assert [answer.id for answer in both.answers()] == ["ans_0003", "ans_0001", "ans_0002"]
    assert [answer.id for answer in both.answers(release="release:9")] == ["ans_0002"]
    assert [answer.id for answer in both.answers(limit=1)] == ["ans_0003"]


def test_a_batch_that_is_sent_twice_is_recorded_once(both):
    batch = [an_answer(n) for n in range(3)]
    both.record_answers([*batch, batch[0]])
    both.record_answers([*batch, an_answer(3)])
    assert both.verify() == 4
    assert len(both.answers()) == 4


def test_a_large_batch_is_one_transaction_and_reads_back_whole(both):
    both.record_answers([an_answer(n) for n in range(1200)])
    assert len(both.answers()) == both.verify() == 1200


def test_answers_after_an_id_are_those_recorded_later(both):
    both.record_answers([an_answer(n) for n in (5, 1, 3)])
    assert [answer.id for answer in both.answers(after="ans_0001")] == ["ans_0003"]


def test_answers_after_a_time_are_those_recorded_later(both, clock):
    both.record_answers([an_answer(1)])
    clock.advance(3600)
    both.record_answers([an_answer(2)])
    assert [answer.id for answer in both.answers(after="2026-01-01T08:30:00+08:00")] == ["ans_0002"]


def test_a_cursor_that_is_neither_id_nor_time_is_refused(both):
    with pytest.raises(LedgerError) as caught:
        both.answers(after="yesterday")
    assert caught.value.code == "artifact.bad_time"


def test_an_unknown_answer_is_an_error(both):
    with pytest.raises(LedgerError) as caught:
        both.answer("ans_ffff")
    assert caught.value.code == "artifact.no_answer"


def test_feedback_with_a_key_that_was_seen_is_not_recorded_again(both):
    both.record_answers([an_answer()])
    assert both.record_feedback(a_feedback(correction="对的答案", comment="慢", label="card")) is True
    again = a_feedback(correction="对的答案", comment="慢", label="card", at="2026-03-01T00:00:00+00:00")
    assert both.record_feedback(again) is False
    with pytest.raises(LedgerError) as caught:
        both.record_feedback(a_feedback(score=1.0))
    assert caught.value.code == "artifact.feedback_differs"
    assert both.feedback() == [a_feedback(correction="对的答案", comment="慢", label="card")]


def test_feedback_on_an_unknown_answer_is_refused(both):
    with pytest.raises(LedgerError) as caught:
        both.record_feedback(a_feedback(answer="ans_ffff"))
    assert caught.value.code == "artifact.no_answer"
    assert both.verify() == 0


def test_feedback_is_found_by_answer_and_after_an_id(both):
    both.record_answers([an_answer(0), an_answer(1)])
    for identity, answer in (("a", "ans_0000"), ("b", "ans_0001"), ("c", "ans_0000")):
        both.record_feedback(a_feedback(identity, answer=answer))
    assert [item.id for item in both.feedback(answer="ans_0000")] == ["a", "c"]
    assert [item.id for item in both.feedback(after="a")] == ["b", "c"]


def test_feedback_on_many_answers_comes_in_the_order_it_was_recorded(both):
    both.record_answers([an_answer(n) for n in range(600)])
    order = [f"ans_{n:04x}" for n in reversed(range(600))]
    both.record_feedback_batch([a_feedback(f"fb {identity}", answer=identity) for identity in order])
    assert [item.answer for item in both.feedback(answer=order[:-1])] == order[:-1]
    assert both.feedback(answer=[]) == []


def test_an_erased_answer_is_gone_with_its_feedback_and_the_chain_still_holds(both, tamper):
    both.record_answers([an_answer(0), an_answer(1)])
    both.record_feedback(a_feedback(comment="我叫李雷"))
    both.erase("ans_0000", actor="dpo", reason="asked by the person")
    with pytest.raises(LedgerError) as caught:
        both.answer("ans_0000")
    assert caught.value.code == "artifact.erased"
    assert [answer.id for answer in both.answers()] == ["ans_0001"]
    assert both.feedback() == []
    assert both.answered("ans_0000").facts["completion_tokens"] == 7
    assert both.verify() == 5


def test_one_feedback_can_be_erased_alone(both):
    both.record_answers([an_answer()])
    both.record_feedback(a_feedback("a"))
    both.record_feedback(a_feedback("b"))
    both.erase("a", actor="dpo", reason="asked")
    assert [item.id for item in both.feedback()] == ["b"]
    assert both.answer("ans_0000") == an_answer()


def test_what_was_erased_leaves_no_byte_in_the_database_file(ledger, tmp_path):
    ledger.record_answers([an_answer(content="身份证 110101199003077758")])
    ledger.erase("ans_0000", actor="dpo", reason="asked")
    ledger.close()
    assert b"110101199003077758" not in (tmp_path / "ledger.db").read_bytes()


def test_the_same_text_has_another_digest_each_time(both):
    both.record_answers([an_answer(0), an_answer(1, messages=an_answer(0).messages, content=an_answer(0).content)])
    first, second = (event.facts["payload"] for event in both.events())
    assert first != second


def test_feedback_on_an_erased_answer_is_refused(both):
    both.record_answers([an_answer()])
    both.erase("ans_0000", actor="dpo", reason="asked")
    with pytest.raises(LedgerError) as caught:
        both.record_feedback(a_feedback())
    assert caught.value.code == "artifact.erased"
