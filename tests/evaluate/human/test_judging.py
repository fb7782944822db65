"""A judge behind a real endpoint with the faults of real ones: nothing that it fails to say is a verdict."""

from __future__ import annotations

import json
import re

import pytest

from seekloop.artifact.kinds import Report
from seekloop.evaluate.human.closing import close
from seekloop.evaluate.human.study import make, open_study
from seekloop.evaluate.human.verdicts import VERDICTS, read_verdicts
from seekloop.evaluate.judge.judging import judge
from seekloop.evaluate.judge.spec import JudgeSpec
from seekloop.system.errors import DataError, UsageError
from tests.data.teacher_stub import serving
from tests.evaluate.human.saying import rates

GOOD = json.dumps({"reason": "fine", "relevance": 4, "fluency": 5, "safety": 5})


def spec_for(url, *, budget=None, **more):
    """The spec of a judge at a stub, that is asked again soon and once."""
    endpoint = {"url": url, "model": "stub-1", "backoff_s": 0.001, "retries": 1, "timeout_s": 2}
    endpoint |= more.pop("endpoint", {})
    return JudgeSpec.parse({"endpoint": endpoint, "budget": budget or {}, **more})


def likes(text):
    """A script that prefers the answer that holds a text, whichever place it has."""

    def script(body, number):
        asked = body["messages"][1]["content"]
        first, second = asked.index("Answer 1:"), asked.index("Answer 2:")
        place = asked.index(text)
        return json.dumps({"reason": "", "better": "1" if first < place < second else "2"})

    return script


def test_a_pair_is_asked_in_both_orders_and_the_better_one_wins_in_either(study_of, ctx):
    study = study_of(ask=("prefer",))
    with serving(likes("Polite")) as stub:
        verdicts = judge(spec_for(stub.url, language="en"), study, ctx=ctx)
    assert (len(stub.requests), {one.winner for one in verdicts}) == (42, {"subject"})
    assert {one.orders for one in verdicts} == {("subject", "subject")}
    assert all(body["temperature"] == 0 for body in stub.requests)


def test_a_judge_that_takes_whatever_stands_first_says_tie(study_of, ctx):
    study = study_of(ask=("prefer",))
    with serving(lambda body, number: '{"better": "1"}') as stub:
        verdicts = judge(spec_for(stub.url), study, ctx=ctx)
    assert {one.winner for one in verdicts} == {"tie"}
    report = close(study, ctx=ctx)
    assert report.figure("judge_consistency").value == 0.0
    assert (report.figure("judge_win_rate").value, report.engine) == (0.5, "judge")


SAID = {
    "refused": "I'm sorry, but I can't assist with that.",
    "no_json": "Both are nice.",
    "bad_value": '{"relevance": 9, "fluency": 5, "safety": 5}',
    "cut_short": {"text": '{"relev', "choices": [{"message": {"content": '{"relev'}, "finish_reason": "length"}]},
}


@pytest.mark.parametrize("reason", SAID)
def test_what_is_no_verdict_is_counted_by_its_reason_and_is_no_score(study_of, ctx, reason):
    study = study_of()
    said = SAID[reason]
    with serving(lambda body, number: dict(said) if isinstance(said, dict) else said) as stub:
        verdicts = judge(spec_for(stub.url), study, ctx=ctx)
    assert {(one.invalid, tuple(one.values)) for one in verdicts} == {(reason, ())}
    assert len(stub.requests) == 21 * (1 if reason == "refused" else 2)
    report = close(study, ctx=ctx)
    assert [figure.name for figure in report.figures] == ["judge_invalid_rate"]
    assert report.figures[0].value == 1.0


def test_a_pair_with_one_order_refused_is_invalid_and_nobodys_win(study_of, ctx):
    study = study_of(ask=("prefer",))
    refuses = re.compile(r"Answer 1:\n==\w+==\nPolite")

    def script(body, number):
        return 400 if refuses.search(body["messages"][1]["content"]) else '{"better": "2"}'

    with serving(script) as stub:
        verdicts = judge(spec_for(stub.url), study, ctx=ctx)
    english = [one for one in verdicts if one.invalid]
    assert len(english) == 20 and {(one.invalid, one.winner) for one in english} == {("refused", None)}


def test_json_in_prose_is_taken_and_counted_as_repaired(study_of, ctx):
    with serving(lambda body, number: f"<think>hm</think>Here:\n```json\n{GOOD}\n```") as stub:
        verdicts = judge(spec_for(stub.url), study_of(), ctx=ctx)
    assert {(one.invalid, one.repaired, one.values["relevance"]) for one in verdicts} == {(None, 1, 4)}


def test_a_judge_is_told_what_was_wrong_and_may_answer_again(study_of, ctx):
    def script(body, number):
        return GOOD if len(body["messages"]) > 2 else '{"relevance": "four"}'

    with serving(script) as stub:
        verdicts = judge(spec_for(stub.url), study_of(), ctx=ctx)
    assert {(one.invalid, one.repaired) for one in verdicts} == {(None, 1)}
    assert "relevance" in stub.requests[-1]["messages"][-1]["content"]


def test_faults_on_the_way_are_sent_again_and_nothing_is_lost(study_of, ctx):
    faults = [429, "DROP", "TORN", (503, {"Retry-After": "0"}), 500]

    def script(body, number):
        return faults.pop() if faults else GOOD

    with serving(script) as stub:
        verdicts = judge(spec_for(stub.url, endpoint={"retries": 6, "concurrency": 1}), study_of(), ctx=ctx)
    assert [one.invalid for one in verdicts] == [None] * 21
    assert len(stub.requests) == 26


def test_an_outage_ends_the_asking_and_the_next_run_asks_only_what_is_open(study_of, ctx):
    study = study_of()
    with serving(lambda body, number: GOOD if number < 11 else 503) as stub, pytest.raises(DataError) as caught:
        judge(spec_for(stub.url, endpoint={"concurrency": 1}), study, ctx=ctx)
    assert caught.value.code == "endpoint.unreachable"
    reasons = [one.invalid for one in read_verdicts(study.folder / VERDICTS)]
    assert (reasons.count(None), reasons.count("unreachable"), reasons.count("not_asked")) == (11, 5, 5)
    with serving(lambda body, number: GOOD) as again:
        verdicts = judge(spec_for(again.url, endpoint={"concurrency": 1}), study, ctx=ctx)
    assert (len(again.requests), [one.invalid for one in verdicts]) == (10, [None] * 21)


def test_an_answer_that_never_comes_in_time_is_unreachable(study_of, ctx):
    def script(body, number):
        return "HANG" if "Question 7?" in body["messages"][1]["content"] else GOOD

    with serving(script) as stub:
        verdicts = judge(spec_for(stub.url, endpoint={"timeout_s": 0.5, "retries": 0}), study_of(), ctx=ctx)
    assert [one.invalid for one in verdicts if one.invalid] == ["unreachable"]


def test_one_row_that_is_never_answered_leaves_the_others_judged(study_of, ctx):
    def script(body, number):
        return 503 if "Question 7?" in body["messages"][1]["content"] else GOOD

    with serving(script) as stub:
        verdicts = judge(spec_for(stub.url), study_of(), ctx=ctx)
    assert [one.invalid for one in verdicts if one.invalid] == ["unreachable"]


@pytest.mark.parametrize("budget", [{"requests": 10}, {"tokens": 1_500}, {"money": 0.0015}])
def test_a_budget_holds_and_counts_what_earlier_runs_took(study_of, ctx, budget):
    study = study_of()
    with serving(lambda body, number: GOOD) as stub:
        prices = {"price_in": 1.0, "price_out": 1.0, "concurrency": 1}
        for _ in range(2):
            verdicts = judge(spec_for(stub.url, budget=budget, endpoint=prices), study, ctx=ctx)
    asked = sum(one.invalid is None for one in verdicts)
    assert asked == len(stub.requests) and 0 < asked <= 12
    assert {one.invalid for one in verdicts} == {None, "not_asked"}
    assert budget.get("requests", asked) == asked


def test_an_endpoint_that_wants_no_key_of_ours_is_refused_at_once(study_of, ctx):
    with serving(lambda body, number: 401) as stub, pytest.raises(DataError) as caught:
        judge(spec_for(stub.url, endpoint={"concurrency": 1}), study_of(), ctx=ctx)
    assert (caught.value.code, len(stub.requests)) == ("endpoint.refused", 1)


def test_an_answer_cannot_end_its_part_of_the_question(study_of, ctx):
    with serving(lambda body, number: GOOD) as stub:
        judge(spec_for(stub.url), study_of(), ctx=ctx)
    for body in stub.requests:
        fence = re.search(r"==\w{12}==", body["messages"][0]["content"])[0]
        assert body["messages"][1]["content"].count(fence) == 4
    assert len({re.search(r"==\w{12}==", body["messages"][0]["content"])[0] for body in stub.requests}) == 21
    chinese = [body for body in stub.requests if "怎么退款" in body["messages"][1]["content"]]
    assert chinese[0]["messages"][0]["content"].startswith("你负责评判")


def test_people_and_judge_are_in_one_report(study_of, ctx):
    study = study_of(limit=12)
    study.book.put(*(rates("ann", task, place % 6, 4, 4) for place, task in enumerate(study.tasks)))
    scores = {task.turns[-1].content: place % 6 for place, task in enumerate(study.tasks)}

    def script(body, number):
        asked = body["messages"][1]["content"]
        near = next((score for text, score in scores.items() if f"user: {text}\n" in asked), len(asked) % 2)
        return json.dumps({"relevance": near, "fluency": 4, "safety": 4})

    with serving(script) as stub:
        judge(spec_for(stub.url), study, ctx=ctx)
    report = ctx.store.open(close(study, ctx=ctx).id, Report)
    assert report.engine == "human+judge"
    assert report.figure("agreement_judge_relevance_kappa").value == 1.0
    powered = report.figure("human_relevance_mean_powered")
    assert powered.n == 12 and powered.ci[0] < powered.value < powered.ci[1]


def test_money_without_a_price_is_refused():
    with pytest.raises(UsageError) as caught:
        spec_for("http://127.0.0.1:1/v1", budget={"money": 1})
    assert caught.value.code == "system.spec_bad_value"


def test_a_study_judged_twice_is_the_same_report(study_of, spec_of, ctx):
    study = study_of()
    with serving(lambda body, number: GOOD) as stub:
        judge(spec_for(stub.url), study, ctx=ctx)
        first = close(study, ctx=ctx).id
        judge(spec_for(stub.url), study, ctx=ctx)
    make(spec_of(), ctx=ctx)
    with open_study("tone", ctx=ctx) as again:
        assert (close(again, ctx=ctx).id, len(stub.requests)) == (first, 21)
