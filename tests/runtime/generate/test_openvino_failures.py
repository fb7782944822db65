"""What becomes of those who wait when the OpenVINO process dies, hangs, is closed, or loses its parent."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.openvino import OpenVino
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import EngineError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino_genai") is None, reason="openvino-genai is not installed"
)
ENDLESS = Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=2000)
HOLDER = """
import sys
from pathlib import Path
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.openvino import OpenVino
engine = OpenVino.start(Path(sys.argv[1]), rounding="none", dials=Dials(threads=1, streams=1, context=256))
print(engine.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a model that takes seconds to give its longest answer."""
    folder = tmp_path_factory.mktemp("slow")
    ledger = Ledger.in_folder(folder)
    ctx = RunContext(store=Store(folder / "store"), ledger=ledger)
    base = tiny_base(ctx, layers=2, hidden=256)
    made = run(CompressSpec(method=OpenVinoMethod(precision="f32")), CompressInputs(checkpoint=base), ctx=ctx)
    yield ctx.store.folder(made.id)
    ledger.close()


def start(model: Path, **options):
    return OpenVino.start(model, rounding="none", dials=Dials(threads=1, streams=1, context=2048, **options))


def ends(pid: int, *, within_s: float = 20.0) -> bool:
    """Wait until a process that is not our child has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within_s)[0])
    finally:
        os.close(handle)


async def broken_by(engine, number):
    """The error of a stream whose engine gets a signal after the first token."""
    stream = engine.stream(ENDLESS)
    await anext(stream)
    os.kill(engine.pid, number)
    with pytest.raises(EngineError) as caught:
        await rest(stream)
    with pytest.raises(EngineError):
        await engine.probe()
    return caught.value


async def rest(stream):
    """Take all that comes."""
    async for _ in stream:
        pass


def test_an_engine_killed_while_it_answers_is_an_error_that_says_so(model):
    engine = start(model)
    error = asyncio.run(broken_by(engine, signal.SIGKILL))
    assert (error.code, error.facts["code"]) == ("runtime.worker_died", -9)
    assert not engine.alive()


def test_an_engine_that_hangs_is_killed_and_is_an_error_that_says_so(model):
    engine = start(model, silence_s=0.4)
    error = asyncio.run(broken_by(engine, signal.SIGSTOP))
    assert error.code == "runtime.worker_hangs"
    assert not engine.alive()


def test_an_engine_that_was_closed_is_gone_and_says_so(model):
    async def close_and_use():
        engine = start(model)
        waiting = engine.stream(ENDLESS)
        await anext(waiting)
        await engine.close()
        codes = []
        for use in (rest(waiting), engine.probe(), anext(engine.stream(ENDLESS))):
            with pytest.raises(EngineError) as caught:
                await use
            codes.append(caught.value.code)
        return engine.pid, codes

    pid, codes = asyncio.run(close_and_use())
    assert codes == ["runtime.closed"] * 3
    assert ends(pid, within_s=0)


def test_a_stranger_who_finds_the_port_gets_no_answer(model):
    async def ask_without_the_key():
        engine = start(model)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(engine._address))
        writer.write(b'wrong\n{"do": "probe", "number": 1}\n')
        said = await reader.read()
        writer.close()
        await engine.probe()
        await engine.close()
        return said

    assert asyncio.run(ask_without_the_key()) == b""


@pytest.mark.parametrize("stopped", [False, True])
def test_an_engine_dies_with_its_parent(model, stopped):
    parent = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        pid = int(parent.stdout.readline())
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        parent.kill()
    assert ends(pid)


def test_a_damaged_model_is_told_by_name(tmp_path):
    (tmp_path / "openvino_model.xml").write_text("<net>")
    with pytest.raises(EngineError) as caught:
        start(tmp_path)
    assert caught.value.code == "runtime.worker_died"
    assert str(tmp_path) in caught.value.facts["lines"]


def test_a_sandboxed_process_answers_and_can_reach_nothing(model):
    async def run():
        engine = start(model, sandbox="auto")
        try:
            said = [token.id async for token in engine.stream(Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=3))]
            return said, engine.containment
        finally:
            await engine.close()

    said, containment = asyncio.run(run())
    assert len(said) == 3 and containment is not None and "limits" in containment.has
