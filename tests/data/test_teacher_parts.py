"""The parts of a synthesis: answers read, refusals told, pace and cost kept."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.data.synthesise.answers import Fault, Pairs, Paraphrases, parse
from seekloop.data.synthesise.spec import BudgetSpec, TeacherSpec
from seekloop.runtime.endpoint.meter import Meter, tokens_of
from seekloop.runtime.endpoint.pace import Pace
from seekloop.runtime.endpoint.queue import Kept
from seekloop.runtime.endpoint.reading import is_refusal
from seekloop.system.clock import ManualClock

GOOD = '{"paraphrases": ["one", "two"]}'
WRAPPED = {
    "bare": GOOD,
    "fenced": f"Here it is:\n```json\n{GOOD}\n```\nDone.",
    "after braces in prose": f"The form {{paraphrases}} is filled in: {GOOD}",
    "after reasoning": f'<think>{{"paraphrases": ["no"]}}</think>{GOOD}',
    "a comma too many": '{"paraphrases": ["one", "two",],}',
    "more keys": '{"paraphrases": [" one ", "two"], "note": "x"}',
}


@pytest.mark.parametrize("text", WRAPPED.values(), ids=WRAPPED)
def test_json_is_found_where_teachers_put_it(text):
    found = parse(text, Paraphrases)
    assert isinstance(found, Paraphrases)
    assert found.paraphrases == ("one", "two")


def test_a_raw_line_break_inside_a_string_is_let_through():
    found = parse('{"paraphrases": ["one\ntwo"]}', Paraphrases)
    assert isinstance(found, Paraphrases)
    assert found.paraphrases == ("one\ntwo",)


def test_an_object_inside_a_torn_answer_is_not_taken_for_it():
    torn = json.dumps({"pairs": [{"question": "q", "answer": "a", "quote": "t"}] * 3})[:-30]
    assert parse(torn, Pairs, cut_short=True) == Fault("teacher_cut_short", "the answer was cut at the limit of tokens")


def test_what_is_off_the_schema_is_named_by_its_place():
    found = parse('{"pairs": [{"question": "q", "answer": ""}]}', Pairs)
    assert isinstance(found, Fault)
    assert found.reason == "teacher_off_schema"
    assert found.problem.startswith("pairs.0.answer: ")


plain = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1)


@given(st.text())
def test_any_text_is_an_answer_or_a_fault(text):
    assert isinstance(parse(text, Paraphrases), Paraphrases | Fault)


@given(st.lists(plain, min_size=1), st.text(st.characters(exclude_characters="{`<")))
def test_json_comes_back_whole_from_any_prose(texts, prose):
    found = parse(prose + json.dumps({"paraphrases": texts}, ensure_ascii=False), Paraphrases)
    assert isinstance(found, Paraphrases)
    assert found.paraphrases == tuple(text.strip() for text in texts)


REFUSALS = [
    "As an AI language model, I do not have opinions.",
    "I'm sorry, but I can't assist with that request.",
    "I cannot help with this.",
    "抱歉，我无法协助完成这个请求。",
    "作为一个人工智能语言模型，我没有个人观点。",
    "很抱歉，但我不能提供此类内容。",
]
ANSWERS = [
    "I'm sorry, but your card was declined because it has expired.",
    "抱歉，我们已为您冻结该卡。",
    "Sorry, I can't find my card anywhere",
    "我无法登录手机银行",
    "I can't help thinking that the fee is wrong",
    "我不能提供身份证，可以用护照吗",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_told(text):
    assert is_refusal(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_a_customer_who_cannot_and_an_agent_who_is_sorry_are_no_refusals(text):
    assert not is_refusal(text)


def test_requests_keep_to_their_pace():
    clock = ManualClock()
    pace = Pace(requests=60, tokens=None, clock=clock)
    for _ in range(6):
        assert pace.delay() == 0
        asyncio.run(pace.wait(tokens=1))
    assert pace.delay() == pytest.approx(1.0)
    clock.advance(1.0)
    assert pace.delay() == pytest.approx(0.0)


def test_tokens_keep_to_their_pace_and_are_corrected():
    clock = ManualClock()
    pace = Pace(requests=None, tokens=600, clock=clock)
    asyncio.run(pace.wait(tokens=10))
    pace.correct(90)
    assert pace.delay() == pytest.approx((1 + 40) * 60 / 600)


def test_a_pause_is_for_all():
    clock = ManualClock()
    pace = Pace(requests=None, tokens=None, clock=clock)
    pace.pause(5)
    assert pace.delay() == 5
    clock.advance(5)
    assert pace.delay() == 0


def meter(**budget) -> Meter:
    prices = {"url": "http://x", "model": "m", "max_tokens": 100, "price_in": 1e6, "price_out": 2e6}
    return Meter(TeacherSpec.parse(prices), BudgetSpec.parse(budget))


def test_a_request_that_could_pass_the_budget_is_not_sent():
    one = meter(tokens=250)
    assert one.reserve(100)
    assert not one.reserve(100)
    one.release(100)
    one.add(Kept(text="", model="m", finish="stop", tokens_in=100, tokens_out=20))
    assert one.reserve(30)
    assert not one.reserve(31)


def test_money_is_counted_by_the_prices():
    one = meter(money=500.0)
    one.add(Kept(text="", model="m", finish="stop", tokens_in=100, tokens_out=50))
    assert one.money() == pytest.approx(200.0)
    assert one.reserve(100)
    assert not one.reserve(0)


def test_a_chinese_character_is_about_a_token():
    assert tokens_of("转账要多少钱") == 6
    assert tokens_of("how much is it") == 4
