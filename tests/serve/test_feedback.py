"""What people say of an answer, where the answer came from, and the window of production that both make."""

import json

import pytest

from seekloop.artifact.kinds import Traffic
from seekloop.serve.traffic import collect


@pytest.fixture
def served(world):
    with world.serving(world.release("a")) as served:
        yield served


def test_feedback_is_recorded_with_its_answer(served):
    answer = served.ask().json()["id"]
    said = {"answer": answer, "score": 0, "label": "card_arrival", "correction": "It is on its way.", "comment": "no"}
    told = served.http.post("/v1/feedback", json=said)
    (row,) = served.world.ctx.ledger.feedback(answer=answer)
    assert told.json() == {"id": row.id, "answer": answer, "recorded": True}
    assert (row.score, row.label, row.correction, row.comment) == (0.0, "card_arrival", "It is on its way.", "no")
    assert row.caller == "tester"


@pytest.mark.parametrize("identity", ["mine-1", None])
def test_the_same_feedback_counts_once(served, identity):
    said = {"answer": served.ask().json()["id"], "score": 1.0, **({"id": identity} if identity else {})}
    told = [served.http.post("/v1/feedback", json=said).json() for _ in range(2)]
    assert [one["recorded"] for one in told] == [True, False]
    assert told[0]["id"] == told[1]["id"]
    assert len(served.world.ctx.ledger.feedback()) == 1


def test_different_feedback_without_an_id_counts_each_time(served):
    answer = served.ask().json()["id"]
    for score in (0.0, 1.0):
        assert served.http.post("/v1/feedback", json={"answer": answer, "score": score}).json()["recorded"]


BAD = {
    "nothing said": {},
    "a score above one": {"score": 2},
    "a score as text": {"score": "1"},
    "an empty id": {"id": "", "score": 1},
}


@pytest.mark.parametrize("name", BAD)
def test_feedback_that_says_nothing_or_nonsense_is_refused(served, name):
    refused = served.http.post("/v1/feedback", json={"answer": "ans_x", **BAD[name]})
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_feedback_on_an_answer_that_is_not_there_is_not_found(served):
    refused = served.http.post("/v1/feedback", json={"answer": "ans_none", "score": 1})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "artifact.no_answer")


def test_an_answer_is_traced_to_its_release_and_below(served):
    release = served.gateway.pool.serving.release
    traced = served.http.get(f"/v1/answers/{served.ask().json()['id']}/lineage").json()
    ids = [hop["id"] for hop in traced["hops"]]
    assert ids.index(release.id) < ids.index(release.checkpoint)
    assert release.report in ids
    assert served.http.get("/v1/answers/ans_none/lineage").status_code == 404


def read(world, traffic, name):
    return [json.loads(line) for line in world.ctx.store.path(traffic.id, name).read_text("utf-8").splitlines()]


def test_traffic_holds_answers_and_feedback_as_the_ledger_has_them(served):
    world = served.world
    answer = served.ask("Hi").json()["id"]
    served.http.post("/v1/feedback", json={"answer": answer, "score": 0, "correction": "好"})
    traffic = collect(world.ctx)
    (row,), (said,) = read(world, traffic, "answers.jsonl"), read(world, traffic, "feedback.jsonl")
    assert (row["id"], row["messages"]) == (answer, [{"role": "user", "content": "Hi"}])
    assert (said["answer"], said["correction"]) == (answer, "好")
    assert (traffic.answers, traffic.feedback) == (1, 1)
    assert traffic.releases == (row["release"],)
    assert world.ctx.store.open(traffic.id, Traffic) == traffic


def test_the_same_window_is_the_same_traffic(served):
    served.ask()
    assert collect(served.world.ctx).id == collect(served.world.ctx).id


def test_a_window_takes_along_older_answers_that_new_feedback_speaks_of(served):
    world = served.world
    old, ignored = served.ask().json()["id"], served.ask().json()["id"]
    moment = world.ctx.clock.now().isoformat()
    new = served.ask().json()["id"]
    served.http.post("/v1/feedback", json={"answer": old, "score": 0})
    traffic = collect(world.ctx, after=moment)
    assert [row["id"] for row in read(world, traffic, "answers.jsonl")] == [old, new]
    assert ignored not in {row["id"] for row in read(world, traffic, "answers.jsonl")}


def test_traffic_of_one_release_leaves_out_the_others(served):
    world = served.world
    first = served.ask().json()
    second = world.release("b")
    world.promote(second)
    served.wait_for(second)
    other = served.ask().json()
    for answer in (first, other):
        served.http.post("/v1/feedback", json={"answer": answer["id"], "score": 1})
    traffic = collect(world.ctx, release=second.id)
    assert [row["id"] for row in read(world, traffic, "answers.jsonl")] == [other["id"]]
    assert [row["answer"] for row in read(world, traffic, "feedback.jsonl")] == [other["id"]]


def test_no_traffic_at_all_is_an_empty_window(world):
    traffic = collect(world.ctx)
    assert (traffic.answers, traffic.feedback, traffic.releases) == (0, 0, ())
