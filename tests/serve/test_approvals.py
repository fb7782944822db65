"""People answer waiting candidates over HTTP: by role, once, in the ledger."""

from concurrent.futures import ThreadPoolExecutor

import pytest

GATE = {"approval": "required", "approval_hours": 24.0, "two_persons": False}


def judged(world, **gate):
    candidate = world.checkpoint("candidate").id
    facts = {"decision": "promote", "rule_digest": "sha256:00", "outcomes": [], "gate": {**GATE, **gate}}
    world.ctx.ledger.note("gate.verdict", candidate, facts=facts, actor="loop")
    return candidate


def say(served, candidate, decision="approve"):
    return served.http.post(f"/v1/approvals/{candidate}", json={"decision": decision, "reason": "read it"})


@pytest.fixture
def served(world):
    with world.serving(world.release("a")) as served:
        yield served


def test_what_is_approved_waits_no_longer_and_twice_is_one_event(world, served):
    candidate = judged(world)
    (waiting,) = served.http.get("/v1/approvals").json()["data"]
    assert waiting["candidate"] == candidate
    first, again = say(served, candidate), say(served, candidate)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert served.http.get("/v1/approvals").json()["data"] == []
    (event,) = world.ctx.ledger.events(kind="gate.approved", subject=candidate)
    assert (event.actor, event.facts["reason"], event.facts["through"]) == ("tester", "read it", "gateway")


def test_the_other_answer_afterwards_is_409(world, served):
    candidate = judged(world)
    assert say(served, candidate, "decline").status_code == 200
    refused = say(served, candidate)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "gates.answered")


def test_unknown_is_404_and_not_waiting_409(world, served):
    assert say(served, "checkpoint:ffff").status_code == 404
    assert say(served, judged(world, approval="none")).status_code == 409


def test_of_two_people_at_once_one_is_heard(world, served):
    candidate = judged(world)
    with ThreadPoolExecutor(2) as pool:
        said = pool.map(lambda decision: say(served, candidate, decision), ["approve", "decline"])
        codes = sorted(one.status_code for one in said)
    assert codes == [200, 409]
    assert len(list(world.ctx.ledger.events(kind=["gate.approved", "gate.declined"], subject=candidate))) == 1


def test_whoever_started_the_cycle_is_not_the_second_person(world, served):
    candidate = judged(world, two_persons=True)
    world.ctx.ledger.note("gate.registered", "sha256:00", facts={"candidate": candidate}, actor="tester")
    again = judged(world, two_persons=True)
    assert again == candidate
    refused = say(served, candidate)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "gates.same_person")


def test_an_approval_after_its_time_is_refused(world, served):
    refused = say(served, judged(world, approval_hours=0.0))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "gates.too_late")
