"""Engines that hang, stop or die, with requests under way: found, replaced, and nobody pays for it but them."""

import asyncio
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.runtime.generate.bridge import Awaited
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.options import GatewayOptions
from seekloop.serve.place import Place
from seekloop.serve.process import ServerProcess
from seekloop.system.errors import EngineError

LONG = "A very long answer: " + "and so on " * 20
SCRIPT = {"Tell me": LONG}
TELL = [{"role": "user", "content": "Tell me"}]


class Moody(Awaited):
    """An echo engine that can be told to be deaf (no sign when probed), dumb (no token), or to fail its probes."""

    def __init__(self, script, *, pace_s=0.0):
        super().__init__(EchoBackend(script, pace_s=pace_s), streams=16)
        self.deaf = self.dumb = False
        self.failing = self.probes = 0
        self._ended = asyncio.Event()

    async def stream(self, prompt):
        if self.dumb:
            await self._ended.wait()
            raise EngineError("runtime.closed", engine="test")
        async for token in super().stream(prompt):
            yield token

    async def probe(self):
        self.probes += 1
        if self.failing:
            self.failing -= 1
            raise EngineError("serve.engine_silent", release="test")
        if self.deaf:
            await self._ended.wait()

    async def close(self):
        self._ended.set()
        await super().close()


@pytest.fixture
def engines(world):
    """The engines that were started, and what starts them."""

    class Engines(list):
        failing = 0

        async def open(self, checkpoint):
            self.append(Moody(world.scripts[checkpoint.id], pace_s=world.pace_s))
            self[-1].failing, self.failing = self.failing, 0
            return self[-1]

    return Engines()


def test_a_busy_engine_that_gives_tokens_lives_whatever_it_says_to_probes(world, engines):
    world.pace_s = 0.02
    with world.serving(world.release("a", SCRIPT), opener=engines.open, probe_s=0.1) as served:
        engines[0].deaf = True
        assert served.ask("Tell me", max_tokens=40).status_code == 200
        assert len(engines) == 1
        engines[0].deaf = False


def test_requests_that_keep_coming_do_not_hide_an_engine_that_hangs(world, engines):
    with world.serving(world.release("a", SCRIPT), opener=engines.open, probe_s=0.1) as served:
        engines[0].deaf = engines[0].dumb = True
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: served.ask("Tell me"), range(8)))
        assert {answer.json()["choices"][0]["message"]["content"] for answer in answers} == {LONG}
    assert len(engines) == 2


def test_an_idle_engine_that_only_says_that_it_lives_is_found_because_it_gives_no_token(world, engines, until):
    with world.serving(world.release("a", SCRIPT), opener=engines.open, probe_s=0.1) as served:
        engines[0].dumb = True
        until(lambda: len(engines) == 2 and served.gateway.ready)
        assert served.ask("Tell me").status_code == 200


def test_one_probe_that_fails_is_tried_again_and_two_are_an_engine_that_is_gone(world, engines, until):
    with world.serving(world.release("a", SCRIPT), opener=engines.open, probe_s=0.1) as served:
        engines[0].failing = 1
        asked = engines[0].probes
        until(lambda: engines[0].probes > asked + 2)
        assert len(engines) == 1
        engines[0].failing = 2
        until(lambda: len(engines) == 2 and served.gateway.ready)
        assert served.ask("Tell me").status_code == 200


def test_an_engine_that_fails_its_first_probe_serves_nobody(world, engines):
    engines.failing = 1
    release = world.release("a", SCRIPT)
    world.promote(release)
    with world.serving(opener=engines.open) as served:
        served.wait_for(release)
        assert served.ask("Tell me").status_code == 200
    assert len(engines) == 2
    assert not engines[0].alive()


def test_when_an_engine_dies_all_who_are_answered_and_all_who_wait_are_answered_by_the_next(world):
    world.pace_s = 0.002
    nursery = world.nursery(30, 10**9)
    release = world.release("a", SCRIPT)
    with world.serving(release, opener=nursery.open, streams=3) as served, ThreadPoolExecutor(9) as pool:
        answers = list(pool.map(lambda _: served.ask("Tell me"), range(9)))
    assert {answer.json()["choices"][0]["message"]["content"] for answer in answers} == {LONG}
    assert len(nursery.made) == 2
    assert [row.finish_reason for row in world.ctx.ledger.answers()] == ["stop"] * 9


class Stepped:
    """A backend whose steps are counted by prompt, and taken one a permit; probes of one token need none."""

    def __init__(self, backend):
        self.name, self.abilities = backend.name, backend.abilities
        self.read, self.close = backend.read, backend.close
        self.steps, self.permits = Counter(), threading.Semaphore(0)
        self._backend = backend

    def stream(self, prompt):
        for token in self._backend.stream(prompt):
            if prompt.max_tokens > 1:
                self.permits.acquire()
                self.steps[prompt.ids] += 1
            yield token


@pytest.mark.parametrize("engine", ["echo", "torch"])
def test_a_client_that_leaves_frees_its_slot_within_two_decode_steps(toolless_world, until, engine):
    world, made = toolless_world, []

    async def start(checkpoint: Checkpoint):
        plain = EchoBackend(world.scripts[checkpoint.id]) if engine == "echo" else torch(checkpoint)
        made.append(Stepped(plain))
        return Awaited(made[-1], streams=1)

    def torch(checkpoint):
        return open_backend(checkpoint, store=world.ctx.store, engine="torch", threads=1, streams=1, context=256)

    echo = world.checkpoint("a", SCRIPT) if engine == "echo" else tiny_base(world.ctx, family=world.codec.card.name)
    body = {"model": "production", "messages": TELL, "stream": True, "max_tokens": 40}
    with world.serving(world.release_of(echo), opener=start, streams=1, context=256) as served:
        with served.http.stream("POST", "/v1/chat/completions", json=body):
            made[0].permits.release(3)
            until(lambda: made[0].steps.total() == 3)
        until(lambda: served.gateway.admission.inside == 0)
        left_at = made[0].steps.total()
        made[0].permits.release(1000)
        assert served.ask("Hi", max_tokens=4).status_code == 200
        first = next(iter(made[0].steps.values()))
    assert left_at == 3
    assert first <= left_at + 2


@pytest.fixture
def quantised(toolless_world):
    """A release of a small model on llama.cpp, slow enough to be stopped while it talks."""
    base = tiny_base(toolless_world.ctx, family=toolless_world.codec.card.name, layers=8, hidden=512)
    spec = CompressSpec(method=GgufMethod(precision="q8_0"))
    checkpoint = compress.run(spec, CompressInputs(checkpoint=base), ctx=toolless_world.ctx)
    return toolless_world.release_of(checkpoint, max_tokens=1500)


def test_an_engine_process_that_is_stopped_is_found_and_replaced_and_its_request_is_answered(
    toolless_world, quantised, until
):
    started, world = [], toolless_world
    start = opener(world.ctx.store, GatewayOptions(engine="llamacpp", threads=1, streams=2))

    async def kept(checkpoint):
        started.append(await start(checkpoint))
        return started[-1]

    with world.serving(quantised, opener=kept, probe_s=0.5) as served, ThreadPoolExecutor(1) as pool:
        whole = pool.submit(served.ask, "Hi", max_tokens=300)
        until(lambda: served.gateway.admission.inside == 1)
        os.kill(started[0].pid, signal.SIGSTOP)
        assert whole.result().status_code == 200
        assert len(started) == 2
        os.kill(started[1].pid, signal.SIGSTOP)
        until(lambda: len(started) == 3 and served.gateway.ready)
        assert served.ask("Hi", max_tokens=4).status_code == 200
    assert not any(engine.alive() for engine in started)


@pytest.fixture
def project(tmp_path, world):
    """A project folder, and the world inside it."""
    place = Place(tmp_path / "project")
    world.ctx = RunContext(store=Store(place.state / "store"), ledger=Ledger.in_folder(place.state))
    yield place
    world.ctx.ledger.close()


def test_sigterm_loses_nobody_who_is_answered_and_nobody_who_waits(project, world, until):
    base = tiny_base(world.ctx, layers=4, hidden=256)
    spec = CompressSpec(method=GgufMethod(precision="q8_0"))
    gguf = compress.run(spec, CompressInputs(checkpoint=base), ctx=world.ctx)
    world.promote(world.release_of(gguf, max_tokens=800))
    options = GatewayOptions(threads=1, streams=1)
    with (
        ServerProcess(project.project, options=options) as server,
        httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60) as client,
        ThreadPoolExecutor(4) as pool,
    ):

        def ask(stream):
            body = {"model": "production", "messages": TELL, "stream": stream}
            return client.post("/v1/chat/completions", json=body)

        asked = [pool.submit(ask, bool(number % 2)) for number in range(4)]
        until(lambda: server.releases()["serving"]["in_flight"] >= 3)
        os.kill(server.pid, signal.SIGTERM)
        answers = [future.result() for future in asked]
        assert server.wait() == 0
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.text.endswith("data: [DONE]\n\n") for answer in answers[1::2])
    assert [row.finish_reason for row in world.ctx.ledger.answers()] == ["length"] * 4
