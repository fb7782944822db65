"""Once packages and base model are there, the whole loop needs no network: every process runs with sockets blocked."""

import subprocess
import sys
from pathlib import Path

from seekloop.system import settings
from tests.loop.conftest import write_project

# Python runs `sitecustomize` at the start of every process of the walk: the loop, the gateway and the engine workers.
BLOCK = """
import sys

LOCAL = ("127.", "::1", "localhost")

def block(event, arguments):
    if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0] or "localhost"
    else:
        return
    if not str(host).startswith(LOCAL):
        raise OSError(f"no network here: {host}")

sys.addaudithook(block)
"""
WALK = """
import json, sys
from pathlib import Path
from seekloop.app.traffic import read_customers
from seekloop.app.walk import walk
from seekloop.loop.project import Project
project = Project.open(Path(sys.argv[1]))
ctx = project.context()
customers = read_customers(project.folder / 'data' / 'traffic.jsonl')
print(json.dumps(walk(project, customers, ctx=ctx)["promoted"]))
ctx.ledger.close()
"""


def run(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python whose sockets reach nothing but this machine."""
    (folder / "sitecustomize.py").write_text(BLOCK, "utf-8")
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=settings.child_environment(PYTHONPATH=str(folder)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_block_blocks(tmp_path):
    done = run(tmp_path, "import socket; socket.create_connection(('192.0.2.1', 80), 1)")
    assert "no network here: 192.0.2.1" in done.stderr


def test_the_whole_loop_runs_with_sockets_blocked(tmp_path):
    write_project(tmp_path / "project")
    done = run(tmp_path, WALK, str(tmp_path / "project"))
    assert done.stdout.strip().splitlines()[-1:] == ["true"], done.stderr
