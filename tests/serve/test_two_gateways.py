"""Two gateway processes over one ledger are one gateway to whoever holds a key."""

import httpx2
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.serve.access.issue import Grant, issue
from seekloop.serve.limits import Limits
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.process import ServerProcess
from seekloop.system.clock import SystemClock

ECHO = GatewayOptions(engine="echo")


@pytest.fixture
def project(tmp_path, world):
    """A project folder with something to serve, and the world inside it."""
    place = Place(tmp_path / "project")
    world.ctx = RunContext(store=Store(place.state / "store"), ledger=Ledger.in_folder(place.state))
    world.promote(world.release("one"))
    yield place
    world.ctx.ledger.close()


@pytest.fixture
def make(world):
    """Makes a key; its id and text."""

    def _make(name, **limits):
        grant = Grant(name=name, limits=Limits.parse(**limits))
        made, key = issue(grant, ledger=world.ctx.ledger, clock=SystemClock(), actor="t", reason="t")
        return made.id, key

    return _make


def ask(server, key):
    body = {"model": "production", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def left(server, key):
    """Requests that the key may still send, as a route that costs nothing tells; its status where it tells none."""
    told = httpx2.get(f"{server.url}/v1/models", headers={"Authorization": f"Bearer {key}"}, timeout=30)
    return told.headers.get("x-ratelimit-remaining-requests", told.status_code)


def test_a_budget_is_shared_and_survives_a_kill_and_a_revocation_reaches_all(project, world, make, until):
    identity, key = make("app", rate="6/h")
    with ServerProcess(project.project, options=ECHO) as one, ServerProcess(project.project, options=ECHO) as two:
        assert [ask(one, key).status_code for _ in range(3)] == [200] * 3
        until(lambda: sum(row.requests for row in world.ctx.ledger.usage.of([identity], since="2026-01-01")) == 3)
        assert ask(two, key).status_code == 200  # a key's first request here reads what it used elsewhere
        assert left(two, key) == "2"
        until(lambda: left(one, key) == "2", seconds=2)
        assert [ask(one, key).status_code for _ in range(3)] == [200, 200, 429]
        until(lambda: left(two, key) == "0", seconds=2)
        one.kill()
        assert ask(two, key).status_code == 429
        world.ctx.ledger.credentials.revoke(identity, actor="t", reason="leaked")
        until(lambda: left(two, key) == 401, seconds=2)
    assert len(world.ctx.ledger.answers()) == 6
