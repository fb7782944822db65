from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import EngineError

ENDLESS = Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=2000)  # takes many seconds
HOLDER = """
import sys
from pathlib import Path
from seekloop.runtime.generate.llamacpp import LlamaCpp
engine = LlamaCpp.start(Path(sys.argv[1]), stop_ids=[2], threads=1, streams=1, context=256)
print(engine.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A store with a model whose longest answer takes many seconds."""
    folder = tmp_path_factory.mktemp("slow")
    with contextlib.closing(Ledger.in_folder(folder)) as ledger:
        ctx = RunContext(store=Store(folder / "store"), ledger=ledger)
        base = tiny_base(ctx, layers=4, hidden=512)
        checkpoint = run(CompressSpec(method=GgufMethod(precision="f32")), CompressInputs(checkpoint=base), ctx=ctx)
    return ctx.store, checkpoint


@pytest.fixture
def model(slow):
    store, checkpoint = slow
    return store.path(checkpoint.id, "model.gguf")


def start(model, **options):
    return LlamaCpp.start(model, stop_ids=[2], threads=1, streams=1, context=2048, **options)


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
        async for _ in stream:
            pass
    return caught.value


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


def test_a_dead_engine_fails_its_probe(model):
    async def kill_and_probe():
        engine = start(model)
        await engine.probe()
        os.kill(engine.pid, signal.SIGKILL)
        with pytest.raises(EngineError) as caught:
            await engine.probe()
        return caught.value.code

    assert asyncio.run(kill_and_probe()) == "runtime.worker_died"


def test_an_engine_that_was_closed_is_gone_and_says_so(model):
    async def close_and_use():
        engine = start(model)
        await engine.close()
        for use in (engine.probe(), anext(engine.stream(ENDLESS))):
            with pytest.raises(EngineError) as caught:
                await use
            assert caught.value.code == "runtime.closed"
        return engine.pid

    assert ends(asyncio.run(close_and_use()), within_s=0)


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


def test_an_engine_outlives_the_thread_that_asked_for_it(model):
    engines = []
    thread = threading.Thread(target=lambda: engines.append(start(model)))
    thread.start()
    thread.join()
    (engine,) = engines

    async def answer():
        ids = [token.id async for token in engine.stream(Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=3))]
        await engine.close()
        return ids

    assert len(asyncio.run(answer())) == 3


def test_a_damaged_model_is_told_by_name(tmp_path):
    damaged = tmp_path / "model.gguf"
    damaged.write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(EngineError) as caught:
        start(damaged)
    assert caught.value.code == "runtime.worker_died"
    assert "model.gguf" in caught.value.facts["lines"]


def test_a_backend_closed_in_the_middle_is_an_error_for_who_waits(slow):
    store, checkpoint = slow
    backend = open_backend(checkpoint, store=store, streams=2)
    waiting = threading.Event()
    caught = []

    def ask():
        tokens = backend.stream(ENDLESS)
        next(tokens)
        waiting.set()
        with pytest.raises(EngineError) as error:
            list(tokens)
        caught.append(error.value.code)

    thread = threading.Thread(target=ask)
    thread.start()
    waiting.wait()
    backend.close()
    thread.join()
    assert caught == ["runtime.closed"]
