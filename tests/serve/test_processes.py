"""Several gateway processes on one address: they share what comes, replace what dies, and end together."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.process import ServerProcess
from seekloop.serve.server import serve_forever
from seekloop.serve.upstream.mock import Manner, MockUpstream
from seekloop.serve.upstream.options import UpstreamOptions
from seekloop.system.errors import EngineError

TWO = GatewayOptions(upstream=UpstreamOptions(processes=2), poll_s=0.02)


@pytest.fixture
def project(tmp_path, world):
    """A project folder whose release is a mock upstream's."""
    place = Place(tmp_path / "project")
    world.ctx = RunContext(store=Store(place.state / "store"), ledger=Ledger.in_folder(place.state))
    with MockUpstream(Manner(first_s=0.02)) as upstream:
        world.promote(world.upstream_release(upstream))
        yield place
    world.ctx.ledger.close()


def ask(server, *, text="Hi", stream=False):
    body = {"model": "production", "messages": [{"role": "user", "content": text}], "stream": stream}
    headers = {"Authorization": f"Bearer {server.key}"}
    return httpx2.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def ask_all(server):
    """Ask on so many connections that every process has one, which waits until that process can answer."""
    with ThreadPoolExecutor(8) as threads:
        return [answer.json()["id"] for answer in threads.map(lambda _: ask(server), range(64))]


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_both_processes_answer_and_every_answer_has_its_row(project, world, until):
    with ServerProcess(project.project, options=TWO) as server:
        assert json.loads(project.address.read_bytes()) == {"url": server.url, "pid": server.pid}
        ids = ask_all(server)
        assert len(children(server.pid)) == 2
        members = children(server.pid)
        assert server.stop() == 0
    assert sorted(row.id for row in world.ctx.ledger.answers()) == sorted(ids)
    assert world.ctx.ledger.verify() > 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in members)
    assert not project.address.exists()


def test_a_process_that_is_killed_is_started_again_and_nobody_is_refused_meanwhile(project, until):
    with ServerProcess(project.project, options=TWO) as server:
        first = children(server.pid)
        os.kill(first[0], signal.SIGKILL)
        assert {ask(server).status_code for _ in range(20)} == {200}
        until(lambda: len(set(children(server.pid)) - set(first)) == 1)


def test_what_is_in_flight_is_finished_on_sigterm(project, world, until):
    with MockUpstream(Manner(tokens=50, pace_s=0.02)) as slow:
        world.promote(world.upstream_release(slow))
        with ServerProcess(project.project, options=TWO) as server, ThreadPoolExecutor(4) as threads:
            answers = [threads.submit(ask, server, stream=True) for _ in range(4)]
            until(lambda: slow.seen.requests >= 6)  # two are the probes'
            assert server.stop() == 0
            assert all(answer.result().text.endswith("data: [DONE]\n\n") for answer in answers)
    assert [row.finish_reason for row in world.ctx.ledger.answers()] == ["stop"] * 4


def test_they_end_when_the_process_that_started_them_is_killed(project, until):
    with ServerProcess(project.project, options=TWO) as server:
        members = children(server.pid)
        assert len(members) == 2
        server.kill()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in members))


def test_an_engine_of_this_machine_is_refused_at_the_start(project, world):
    world.promote(world.release("local"))
    with pytest.raises(EngineError) as refused:
        serve_forever(project.project, options=TWO)
    assert refused.value.code == "processes.one_engine"
    assert not project.address.exists()


def test_an_alias_that_moves_to_a_local_engine_leaves_the_upstream_serving(project, world):
    local = world.release("local")
    with ServerProcess(project.project, options=TWO, ready_s=30.0) as server:
        ask_all(server)
        world.promote(local)
        with pytest.raises(EngineError) as late:
            server.wait_for(local.id, seconds=1.0)
        assert ask(server).status_code == 200
    assert "several gateway processes cannot share" in late.value.sentence("en")


def test_a_port_that_others_share_is_taken(project):
    with ServerProcess(project.project, options=TWO) as server:
        port = server.url.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "seekloop.serve.server", "--project", str(project.project)]
        done = subprocess.run(
            [*command, "--port", port, "--set", "upstream.processes=2"], capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert "cannot" in done.stderr or "hint" in done.stderr
