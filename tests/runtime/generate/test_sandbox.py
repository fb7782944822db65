"""A sandboxed engine answers as ever, and can reach nothing: neither the network nor a file outside its folder."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_async
from seekloop.runtime.generate.sandbox import Containment
from seekloop.runtime.generate.worker import Worker
from seekloop.system.errors import EngineError

PRISONER, QUESTION = "tests.runtime.generate.prisoner", Prompt(ids=(9, 10, 11), stop_ids=frozenset(), max_tokens=8)
NAMESPACES = subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode == 0
needs_namespaces = pytest.mark.skipif(not NAMESPACES, reason="this kernel lets nobody have namespaces")
LANDLOCKED = """
import sys
from pathlib import Path
from seekloop.runtime.generate.sandbox import enter
print(enter(Path(sys.argv[1]), namespaces=False).by)
for place in sys.argv[1:]:
    try:
        Path(place, "x").write_text("x")
        print("done")
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a prisoner could do while somebody listened outside, and how it was shut in."""
    outside = tmp_path_factory.mktemp("outside")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = Worker(PRISONER, engine="prisoner", sandbox="auto")
        try:
            line = worker.start(json.dumps({"port": listener.getsockname()[1], "outside": str(outside)}))
            return json.loads(line), worker.containment
        finally:
            worker.kill()


@needs_namespaces
def test_no_socket_leads_outside(told: Any) -> None:
    assert told[0]["tcp"] != "done" and told[0]["udp"] != "done"


@needs_namespaces
def test_nothing_is_written_outside_its_folder(told: Any) -> None:
    assert told[0]["outside"] == "OSError 30" and told[0]["inside"] == "done"


def test_it_has_no_capability_and_gets_none(told: Any) -> None:
    status = told[0]["status"]
    assert status["NoNewPrivs"] == "1" and int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0


@needs_namespaces
def test_what_was_shut_is_not_opened_again(told: Any) -> None:
    assert told[0]["undo"] != 0


def test_it_leaves_no_core_file(told: Any) -> None:
    assert told[0]["core"] == 0


@needs_namespaces
def test_what_was_reached_is_told(told: Any) -> None:
    assert told[1] == Containment(by="namespaces", has=("network", "files", "privileges", "limits"))


def test_landlock_keeps_files_where_namespaces_are_not_to_be_had(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outside.mkdir()
    command = [sys.executable, "-c", LANDLOCKED, str(folder), str(outside)]
    by, *said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert by == "nothing" or said == ["done", "PermissionError"]


def test_its_folder_goes_with_it() -> None:
    worker = Worker("seekloop.nothing", engine="nothing", sandbox="auto")
    with pytest.raises(EngineError):
        worker.start("{}")
    assert worker.folder is not None and not worker.folder.exists()


@needs_namespaces
def test_a_sandboxed_llamacpp_answers_as_one_that_is_not(ctx: RunContext, gguf: Checkpoint) -> None:
    assert answer(ctx, gguf, "require") == answer(ctx, gguf, "off")


def test_torch_is_refused_where_a_sandbox_is_required(ctx: RunContext, tiny: Checkpoint) -> None:
    with pytest.raises(EngineError) as caught:
        open_async(tiny, store=ctx.store, engine="torch", sandbox="require")
    assert caught.value.code == "sandbox.in_process"


def answer(ctx: RunContext, checkpoint: Checkpoint, sandbox: Any) -> list[int | None]:
    """What llama.cpp says to the question."""

    async def run() -> list[int | None]:
        engine = await asyncio.to_thread(
            open_async, checkpoint, store=ctx.store, threads=1, streams=1, context=64, sandbox=sandbox
        )
        try:
            await engine.probe()
            return [token.id async for token in engine.stream(QUESTION)]
        finally:
            await engine.close()

    return asyncio.run(run())
