"""Batches, files, outcomes and consent, over a real server and into a real ledger."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seekloop.artifact.records import Outcome
from seekloop.serve.caller import Caller, Role
from seekloop.serve.feedback.table import lines_of, mapping_of, write_feedback
from seekloop.serve.feedback.taking import take
from seekloop.serve.traffic import collect
from seekloop.system.errors import DataError


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a")) as served:
        yield served


def batch(served, *lines):
    return served.http.post("/v1/feedback/batch", content="\n".join(lines).encode()).json()


def test_the_same_id_with_other_content_is_a_conflict(served):
    answer = served.ask().json()["id"]
    said = {"answer": answer, "id": "conflict-1", "score": 1.0}
    assert served.http.post("/v1/feedback", json=said).json()["recorded"]
    refused = served.http.post("/v1/feedback", json={**said, "score": 0.0})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "artifact.feedback_differs")
    assert not served.http.post("/v1/feedback", json=said).json()["recorded"]


def test_a_batch_is_taken_in_part_and_each_refusal_names_its_line(served):
    answer = served.ask().json()["id"]
    good = json.dumps({"answer": answer, "id": "batch-1", "outcome": {"completed": True, "value": 3.5, "unit": "CNY"}})
    told = batch(served, good, "", "{no json", json.dumps({"answer": "ans_none", "score": 1}), good)
    assert (told["lines"], told["recorded"], told["again"]) == (4, 1, 1)
    assert [(one["line"], one["code"]) for one in told["refused"]] == [(3, "invalid_value"), (4, "artifact.no_answer")]
    (row,) = served.world.ctx.ledger.feedback(answer=answer)
    assert row.outcome == Outcome(completed=True, value=3.5, unit="CNY")


def test_retried_posts_under_load_are_one_row(served):
    answer = served.ask().json()["id"]
    lines = [
        json.dumps({"answer": answer, "id": f"load-{i}", "signals": ["copied"], "user": f"u{i}"}) for i in range(40)
    ]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: batch(served, *lines), range(8)))
    assert sum(one["recorded"] for one in told) == 40
    assert sum(one["again"] for one in told) == 7 * 40
    assert len(served.world.ctx.ledger.feedback(answer=answer)) == 40


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.0])), max_size=12))
def test_any_order_of_retries_records_each_id_once(served, events):
    ledger = served.world.ctx.ledger
    answer = prefix = served.ask().json()["id"]
    lines = [
        (n, {"answer": answer, "id": f"{prefix}-{key}", "score": score}) for n, (key, score) in enumerate(events, 1)
    ]
    taken = take(iter(lines), ledger=ledger, caller=Caller(name="c", role=Role.ADMIN), at="2026-01-01T00:00:00+00:00")
    first = {}
    for key, score in events:
        first.setdefault(key, score)
    assert taken.recorded == len(first)
    assert {one.code for one in taken.refused} <= {"artifact.feedback_differs"}
    assert len(taken.refused) == sum(first[key] != score for key, score in events)
    assert {one.id: one.score for one in ledger.feedback(answer=answer)} == {
        f"{prefix}-{k}": v for k, v in first.items()
    }


def read(world, traffic, name):
    return [json.loads(line) for line in world.ctx.store.path(traffic.id, name).read_text("utf-8").splitlines()]


def test_what_requests_say_of_consent_is_in_the_traffic_and_is_taken_back_later(served):
    no = served.ask(store=False).json()["id"]
    yes = served.ask("Hi", store=True).json()["id"]
    ctx = served.world.ctx
    found = {one["answer"]: one["allowed"] for one in read(served.world, collect(ctx), "consent.jsonl")}
    assert (found[no], found[yes]) == (False, True)
    assert served.http.post("/v1/consent", json={"answer": yes, "consent": False}).status_code == 200
    found = {one["answer"]: one for one in read(served.world, collect(ctx), "consent.jsonl")}
    assert found[yes]["allowed"] is False
    assert found[yes]["by"].startswith("event ")


def test_the_header_says_no_where_the_body_says_nothing_and_a_strange_word_is_refused(served):
    body = {"model": "production", "messages": [{"role": "user", "content": "Hi"}]}
    told = served.http.post("/v1/chat/completions", json=body, headers={"x-seekloop-train": "no"})
    assert served.world.ctx.ledger.answer(told.json()["id"]).consent is False
    refused = served.http.post("/v1/chat/completions", json=body, headers={"x-seekloop-train": "nope"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "feedback.bad_consent")


def test_a_reviewers_decision_takes_its_answer_along(served):
    answer = served.ask().json()["id"]
    ctx = served.world.ctx
    moment = ctx.clock.now().isoformat()
    ctx.ledger.note("review.decided", answer, facts={"decision": "accept"}, actor="eva")
    traffic = collect(ctx, after=moment)
    assert [row["id"] for row in read(served.world, traffic, "answers.jsonl")] == [answer]
    assert [row["facts"]["decision"] for row in read(served.world, traffic, "decisions.jsonl")] == ["accept"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_what_is_exported_is_imported_as_the_same_feedback(served, tmp_path, suffix):
    answer = served.ask().json()["id"]
    said = {"answer": answer, "id": f"round-{suffix}", "comment": "好, ok", "ratings": {"tone": 4}, "consent": True,
            "signals": ["retry", "copied"], "outcome": {"resolved_by": "person"}, "user": "u1"}  # fmt: skip
    served.http.post("/v1/feedback", json=said)
    ledger, path = served.world.ctx.ledger, tmp_path / f"said.{suffix}"
    out = io.StringIO()
    write_feedback(path, ledger.feedback(answer=answer), out=out)
    path.write_text(out.getvalue(), "utf-8")
    same = Caller(name="tester", role=Role.ADMIN)
    taken = take(lines_of(path, mapping={}), ledger=ledger, caller=same, at="2026-01-01T00:00:00+00:00")
    assert (taken.again, taken.refused) == (1, [])


def test_a_crm_file_with_chinese_headers_and_a_bad_cell_is_read_line_by_line(tmp_path):
    path = tmp_path / "crm.csv"
    path.write_text("回答编号,是否完成,备注,工单\nans_1,是,好,7\nans_2,也许,,8\n", "utf-8")
    first, second = lines_of(path, mapping=mapping_of(["工单="]))
    assert first == (2, {"answer": "ans_1", "outcome": {"completed": True}, "comment": "好"})
    assert isinstance(second[1], DataError)
    assert (second[0], second[1].code) == (3, "feedback.bad_cell")
    with pytest.raises(DataError) as caught:
        list(lines_of(path, mapping={}))
    assert caught.value.code == "feedback.unknown_column"
