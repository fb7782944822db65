"""Accepted requests and rows are the same set, whatever happens to the gateway's process or to its disk."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.process import ServerProcess
from seekloop.serve.queueing.options import QueueOptions

ECHO = GatewayOptions(engine="echo", poll_s=0.02, queue=QueueOptions(max_requests=512))


@pytest.fixture
def project(tmp_path, world):
    """A project folder with a release in production."""
    place = Place(tmp_path / "project")
    world.ctx = RunContext(store=Store(place.state / "store"), ledger=Ledger.in_folder(place.state))
    world.promote(world.release("one"))
    yield place
    world.ctx.ledger.close()


def ask(server, number: int) -> str | None:
    """The id of an answer that was given whole, as a stream or at once; None: none was."""
    stream = bool(number % 2)
    body = {
        "model": "production",
        "messages": [{"role": "user", "content": f"question {number}"}],
        "stream": stream,
        "user": f"user-{number % 5}",
    }
    with contextlib.suppress(httpx2.HTTPError):
        answer = httpx2.post(
            f"{server.url}/v1/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {server.key}"},
            timeout=30,
        )
        if answer.status_code == 200 and (not stream or "[DONE]" in answer.text):
            return answer.headers["x-seekloop-answer"]
    return None


def rows(world) -> list[str]:
    """Ids of the rows, of a ledger that holds."""
    world.ctx.ledger.verify()
    return [answer.id for answer in world.ctx.ledger.answers()]


def test_kill_9_under_load_loses_no_answer_that_anybody_got(project, world):
    given: list[str] = []
    for kill in range(3):
        with ServerProcess(project.project, options=ECHO) as server, ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(ask, server, kill * 1000 + number) for number in range(120)]
            [first.result() for first in asked[: 20 + 10 * kill]]
            os.kill(server.pid, signal.SIGKILL)
            given += [identity for each in asked if (identity := each.result())]
    recorded = rows(world)
    assert len(given) >= 60
    assert len(set(recorded)) == len(recorded)
    assert set(given) <= set(recorded)


def test_two_gateways_over_one_ledger_write_one_row_an_answer(project, world):
    with (
        ServerProcess(project.project, options=ECHO) as one,
        ServerProcess(project.project, options=ECHO) as two,
        ThreadPoolExecutor(12) as pool,
    ):
        given = list(pool.map(lambda number: ask((one, two)[number % 3 == 0], number), range(120)))
    assert None not in given
    assert sorted(rows(world)) == sorted(given)


def test_a_full_disk_gives_503_and_no_answer_and_the_gateway_goes_on_when_there_is_room(project, world):
    with ServerProcess(project.project, options=ECHO) as server:
        before = [ask(server, number) for number in range(4)]
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, hard))
        body = {"model": "production", "messages": [{"role": "user", "content": "unheard"}]}
        headers = {"Authorization": f"Bearer {server.key}"}
        refused = httpx2.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
        ready = httpx2.get(f"{server.url}/readyz", headers=headers)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
        after = [ask(server, number) for number in range(4, 8)]
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "serve.not_recorded")
    assert "choices" not in refused.json() and refused.headers["retry-after"]
    assert ready.status_code == 503
    assert rows(world) == [*before, *after]


@pytest.mark.parametrize("name", ["payload.key", "vault.db"])
def test_without_the_keys_of_texts_nothing_is_answered(project, world, name):
    with ServerProcess(project.project, options=ECHO) as server:
        first = ask(server, 0)
    (project.state / "payload.key").write_text("6b" * 32)
    with ServerProcess(project.project, options=ECHO) as server:
        assert ask(server, 0) is None
    (project.state / "payload.key").unlink()
    if name == "vault.db":
        for path in project.state.glob("vault.db*"):
            path.unlink()  # then it is a new vault, and old texts are locked
    with ServerProcess(project.project, options=ECHO) as server:
        given = ask(server, 0)
    assert (given is None) == (name == "payload.key")
    assert world.ctx.ledger.answered(first or "") is not None
