"""The gateway as a process: what the demo and operators start and stop."""

import json
import os
import signal
import socket

import httpx2
import openai
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.process import ServerProcess
from seekloop.serve.server import main, serve_forever
from seekloop.system.errors import EngineError, UsageError

ECHO = GatewayOptions(engine="echo", poll_s=0.02)


@pytest.fixture
def project(tmp_path, world):
    """A project folder, and the world inside it."""
    place = Place(tmp_path / "project")
    world.ctx = RunContext(store=Store(place.state / "store"), ledger=Ledger.in_folder(place.state))
    yield place
    world.ctx.ledger.close()


def ask(server):
    body = {"model": "production", "messages": [{"role": "user", "content": "Hi there"}]}
    headers = {"Authorization": f"Bearer {server.key}"}
    answer = httpx2.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def test_a_project_is_served_followed_and_stopped(project, world):
    one, two = world.release("one"), world.release("two")
    world.promote(one)
    with ServerProcess(project.project, options=ECHO) as server:
        assert json.loads(project.address.read_bytes()) == {"url": server.url, "pid": server.pid}
        assert ask(server)["system_fingerprint"] == one.id
        world.promote(two)
        server.wait_for(two.id)
        assert ask(server)["system_fingerprint"] == two.id
        assert server.stop() == 0
    assert not project.address.exists()
    assert [row.release for row in world.ctx.ledger.answers()] == [one.id, two.id]


def test_sigterm_lets_a_stream_from_a_real_engine_finish(project, world):
    base = tiny_base(world.ctx, layers=4, hidden=256)
    spec = CompressSpec(method=GgufMethod(precision="q8_0"))
    gguf = compress.run(spec, CompressInputs(checkpoint=base), ctx=world.ctx)
    world.promote(world.release_of(gguf, max_tokens=300))
    options = GatewayOptions(threads=1, streams=1)
    messages = [{"role": "user", "content": "Hi"}]
    with (
        ServerProcess(project.project, options=options) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key, max_retries=0) as client,
    ):
        chunks = client.chat.completions.create(model="production", messages=messages, stream=True)
        next(chunk for chunk in chunks if chunk.choices[0].delta.content)
        os.kill(server.pid, signal.SIGTERM)
        assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "length"
        assert server.wait() == 0
    assert [row.completion_tokens for row in world.ctx.ledger.answers()] == [300]


def test_after_kill_9_every_answer_that_was_given_has_its_row(project, world):
    world.promote(world.release("one"))
    with ServerProcess(project.project, options=ECHO) as server:
        given = [ask(server)["id"] for _ in range(10)]
        server.kill()
        assert server.stop() == -signal.SIGKILL
    assert [row.id for row in world.ctx.ledger.answers()] == given
    assert world.ctx.ledger.verify() > 0


def test_a_gateway_ends_with_the_process_that_started_it(project, world):
    world.promote(world.release("one"))
    with ServerProcess(project.project, options=ECHO) as server:
        server.let_go()
        assert server.wait() == 0


def test_a_gateway_that_is_not_ready_in_time_says_what_its_log_says(project):
    with pytest.raises(EngineError) as late, ServerProcess(project.project, options=ECHO, ready_s=2.5):
        pass
    assert late.value.code == "serve.not_in_time"
    assert not project.address.exists()


def test_a_release_that_cannot_be_served_is_not_waited_for_in_silence(project, world):
    one, two = world.release("one"), world.release("two")
    world.promote(one)
    world.ctx.store.path(two.checkpoint, "model.safetensors").write_bytes(b"evil")
    with ServerProcess(project.project, options=ECHO, ready_s=10.0) as server:
        world.promote(two)
        with pytest.raises(EngineError) as late:
            server.wait_for(two.id, seconds=1.0)
        assert ask(server)["system_fingerprint"] == one.id
    assert "model.safetensors" in late.value.sentence("en")


def test_a_port_that_is_taken_is_a_sentence(project, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as refused:
            serve_forever(project.project, port=port, options=ECHO)
        assert main(["--project", str(project.project), "--port", str(port), "--set", "engine=echo"]) == 2
    assert refused.value.code == "serve.cannot_listen"
    assert "hint:" in capsys.readouterr().err


def test_a_wrong_option_is_a_sentence(project, capsys):
    assert main(["--project", str(project.project), "--set", "streems=3"]) == 2
    assert "did you mean streams" in capsys.readouterr().err
