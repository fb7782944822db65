"""Kept answers to put on shelves, and a Redis server where one is installed."""

import dataclasses
import shutil
import socket
import subprocess
import time

import pytest

from seekloop.runtime.generate.backend import Chance
from seekloop.serve.cache.kept import Kept

WHOLE = Kept(
    answer="ans_1",
    tenant="a",
    release="r1",
    ids=(1, 2, 3),
    content="您好 hello",
    reasoning="because",
    tool_calls=({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}},),
    finish_reason="tool_calls",
    written="您好 hello <call>",
    prompt_tokens=2,
    completion_tokens=3,
    at=0.0,
    chances=((1, Chance(-0.5, ((1, -0.5), (2, -1.25)))),),
    prompt_chances=(Chance(-1.0),),
)


@pytest.fixture
def keep():
    """A kept answer with everything in it, some of it changed."""
    return lambda **changes: dataclasses.replace(WHOLE, **changes)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    """A private Redis server on a free port of this machine."""
    pytest.importorskip("redis", reason="redis is not installed: pip install 'seekloop[redis]'")
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("no redis-server here: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    pytest.fail("redis-server did not listen")
