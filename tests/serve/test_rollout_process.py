"""A gateway that is killed in the middle of a canary: the next one goes on from the ledger."""

import httpx2
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.process import ServerProcess
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.spec import RolloutSpec

ECHO = GatewayOptions(engine="echo", poll_s=0.02)


@pytest.fixture
def project(tmp_path, world):
    """A project folder, and the world inside it."""
    place = Place(tmp_path / "project")
    world.ctx = RunContext(store=Store(place.state / "store"), ledger=Ledger.in_folder(place.state))
    yield place
    world.ctx.ledger.close()


def say(server, path, body):
    headers = {"Authorization": f"Bearer {server.key}"}
    answer = httpx2.post(f"{server.url}/v1/{path}", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def effect(server):
    headers = {"Authorization": f"Bearer {server.key}"}
    return httpx2.get(f"{server.url}/v1/rollouts", headers=headers).json()["in_effect"]


def seen(server):
    """Which release each of ten people is answered by."""
    found = {}
    for number in range(10):
        body = {"model": "production", "user": f"person {number}", "messages": [{"role": "user", "content": "Hi"}]}
        answer = say(server, "chat/completions", body)
        found[number] = answer["system_fingerprint"]
        say(server, "feedback", {"answer": answer["id"], "score": 1.0})
    return found


def test_after_kill_9_in_the_middle_of_a_canary_the_next_gateway_goes_on(project, world, until):
    one, two = world.release("one"), world.release("two")
    world.promote(one)
    steps = [{"share": 0.4, "answers": 10**6}, {"share": 0.6, "answers": 10**6}]
    rules = {"plan": {"mode": "canary", "candidate": two.id, "steps": steps}, "rules": [{"watch": "score"}]}
    desk = Desk(ledger=world.ctx.ledger, store=world.ctx.store)
    with ServerProcess(project.project, options=ECHO) as server:
        rollout = desk.start(RolloutSpec.parse(rules), alias="production", actor="tester", reason="to see")
        until(lambda: effect(server) == rollout.id)
        before = seen(server)
        server.kill()
    with ServerProcess(project.project, options=ECHO) as server:
        until(lambda: effect(server) == rollout.id)
        assert seen(server) == before
        told = say_now(server, rollout.id)
    assert set(before.values()) == {one.id, two.id}
    asked = {release: arm["asked"] for release, arm in told["counts"]["0"].items()}
    heard = {release: arm["scored"] for release, arm in told["counts"]["0"].items()}
    people = {release: [*before.values()].count(release) for release in before.values()}
    assert asked == {release: 2 * count for release, count in people.items()}
    assert heard == people
    assert world.ctx.ledger.verify() > 0


def say_now(server, identity):
    headers = {"Authorization": f"Bearer {server.key}"}
    return httpx2.get(f"{server.url}/v1/rollouts/{identity}", headers=headers).json()["now"]
