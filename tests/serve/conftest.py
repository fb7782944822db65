"""A store with releases that say scripted things, and a gateway over it on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx2
import openai
import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Release, Report
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.artifact.store import Store
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.runtime.endpoint.served import FORM, open_endpoint
from seekloop.runtime.generate.backend import Prompt, Token
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.bridge import Awaited
from seekloop.runtime.generate.echo import EchoBackend
from seekloop.serve import engines, stage
from seekloop.serve.caller import Caller, Role
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.server import Running, in_thread
from seekloop.serve.spec import ServeInputs, ServeSpec
from seekloop.serve.upstream.mock import MockUpstream
from seekloop.system.errors import EngineError
from seekloop.system.spec import Spec

KEY, FOREVER = "test-key", 10**9
Script = dict[str, str | Message]
"""What a model answers, by question."""


class Mortal(Awaited):
    """An echo engine that dies after `lives` tokens or when it is closed, under whoever listens; or hangs."""

    def __init__(self, script: dict[tuple[int, ...], tuple[int, ...]], *, lives: int, pace_s: float) -> None:
        super().__init__(EchoBackend(script, pace_s=pace_s), streams=16)
        self.lives = lives
        self.hangs = False

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        async for token in super().stream(prompt):
            self.lives -= 1
            if not self.alive():
                raise EngineError("serve.engine_stopped", release="test")
            yield token

    async def probe(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()

    def alive(self) -> bool:
        return super().alive() and self.lives > 0


@dataclasses.dataclass
class Nursery:
    """Starts engines with the lives that it is told, the last number again and again; 0: it does not start."""

    world: World
    lives: list[int]
    made: list[Mortal] = dataclasses.field(default_factory=list)

    async def open(self, checkpoint: Checkpoint) -> AsyncBackend:
        """The engine of a checkpoint."""
        lives = self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]
        if not lives:
            raise EngineError("serve.engine_silent", release="test")
        self.made.append(Mortal(self.world.scripts[checkpoint.id], lives=lives, pace_s=self.world.pace_s))
        return self.made[-1]


@dataclasses.dataclass
class World:
    """Makes checkpoints, reports and releases; each checkpoint's engine says what its script says."""

    ctx: RunContext
    codec: Codec
    scripts: dict[str, dict[tuple[int, ...], tuple[int, ...]]] = dataclasses.field(default_factory=dict)
    pace_s: float = 0.0
    opened: list[Mortal] = dataclasses.field(default_factory=list)

    def checkpoint(self, name: str, script: Script | None = None) -> Checkpoint:
        """A checkpoint that answers each question of its script; anything else with the question's last tokens."""
        with self.ctx.job("test", Spec()) as job:
            self.codec.save(job.draft.folder)
            job.path("model.safetensors").write_bytes(name.encode())
            facts = {"form": "full", "family": "smollm2", "precision": "f32", "parameters": 1}
            made = job.commit(Checkpoint(made_by=job.origin, **facts))
        self.scripts[made.id] = dict(self.lines(q, a) for q, a in (script or {}).items())
        return made

    def lines(
        self, question: str, answer: str | Message, *, tools: Any = ()
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of a question's prompt and of its answer, without the stop id."""
        said = answer if isinstance(answer, Message) else Message(role="assistant", content=answer)
        prompt = self.codec.prompt_ids([Message(role="user", content=question)], tools=tools)
        return prompt, self.codec.answer_ids(said)[:-1]

    def dataset(self, *, system: str | None = None) -> Dataset:
        """One test row, which begins with `system`."""
        talk = (Message(role="user", content="Hi"), Message(role="assistant", content="Hello"))
        talk = (Message(role="system", content=system), *talk) if system else talk
        row = Row(id=row_id([system]), messages=talk, source=Source(file="t.jsonl", line=1))
        with self.ctx.job("test", Spec()) as job:
            write_rows(job.path("test.jsonl"), [row])
            splits = {"train": 0, "validation": 0, "test": 1}
            return job.commit(Dataset(made_by=job.origin, rows=1, splits=splits, dropped={}))

    def report(self, checkpoint: Checkpoint, *, system: str | None = None) -> Report:
        """A report about `checkpoint`."""
        dataset = self.dataset(system=system)
        with self.ctx.job("test", Spec()) as job:
            report = Report(
                parents={"checkpoint": checkpoint.id, "dataset": dataset.id},
                made_by=job.origin,
                subject=checkpoint.id,
                dataset=dataset.id,
                split="test",
                engine="echo",
                figures=(Figure(name="accuracy", value=1.0, n=1),),
            )
            return job.commit(report)

    def release(self, name: str, script: Script | None = None, **spec: Any) -> Release:
        """A scripted checkpoint, measured and released."""
        return self.release_of(self.checkpoint(name, script), **spec)

    def release_of(self, checkpoint: Checkpoint, **spec: Any) -> Release:
        """A checkpoint, measured and released."""
        inputs = ServeInputs(checkpoint=checkpoint, report=self.report(checkpoint))
        return stage.run(ServeSpec(**spec), inputs, ctx=self.ctx)

    def upstream_release(self, upstream: MockUpstream) -> Release:
        """A release of an upstream, measured and released."""
        return self.release_of(open_endpoint(f"{upstream.url}#mock", ctx=self.ctx))

    def promote(self, release: Release, *, alias: str = "production") -> int:
        """Point the alias at it; the move's number."""
        move = self.ctx.ledger.move_alias(alias, release.id, expected_version=None, actor="test", reason="test")
        return move.version

    async def open(self, checkpoint: Checkpoint, *, options: GatewayOptions | None = None) -> AsyncBackend:
        """The engine of a checkpoint; an upstream's is the shipped one."""
        if checkpoint.form == FORM:
            return await engines.opener(self.ctx.store, options or GatewayOptions())(checkpoint)
        engine = Mortal(self.scripts[checkpoint.id], lives=FOREVER, pace_s=self.pace_s)
        self.opened.append(engine)
        return engine

    def nursery(self, *lives: int) -> Nursery:
        """Starts engines that die after so many tokens, one after the other."""
        return Nursery(self, list(lives))

    @contextlib.contextmanager
    def serving(self, release: Release | None = None, *, opener: Any = None, **options: Any) -> Iterator[Served]:
        """A gateway on a socket; with `release`, it answers with that one already."""
        if release is not None:
            self.promote(release)
        quick = {"poll_s": 0.01, "check_s": 0.05, "retry_s": 0.05, **options}
        chosen = GatewayOptions(**quick)
        gateway = Gateway(
            store=self.ctx.store,
            ledger=self.ctx.ledger,
            keyring=Keyring(
                {KEY: Caller(name="tester", role=Role.ADMIN)}, ledger=self.ctx.ledger, options=chosen.access
            ),
            opener=opener or functools.partial(self.open, options=chosen),
            options=chosen,
        )
        with (
            in_thread(gateway) as running,
            httpx2.Client(base_url=running.url, timeout=30, headers={"Authorization": f"Bearer {KEY}"}) as http,
            openai.OpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0, timeout=30) as client,
        ):
            served = Served(self, gateway, running, http, client)
            if release is not None:
                served.wait_for(release)
            yield served


@dataclasses.dataclass
class Served:
    """A running gateway and its clients."""

    world: World
    gateway: Gateway
    running: Running
    http: httpx2.Client
    client: openai.OpenAI
    """The real client, without retries of its own."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.running.url

    def ask(self, text: str = "Hi", **fields: Any) -> httpx2.Response:
        """One question, as bare HTTP."""
        body = {"model": "production", "messages": [{"role": "user", "content": text}], **fields}
        return self.http.post("/v1/chat/completions", json=body)

    def wait_for(self, release: Release) -> None:
        """Wait until `release` is the one that answers."""
        _until(lambda: (self.http.get("/v1/releases").json()["serving"] or {}).get("release") == release.id)


def _until(done: Any, *, seconds: float = 20.0) -> None:
    """Wait until `done()`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


@pytest.fixture
def until() -> Any:
    """Waits until a condition holds, and fails when it never does."""
    return _until


@functools.cache
def codec(family: str) -> Codec:
    """A family's codec on the tiny vocabulary."""
    card = families.card(family)
    return Codec.build(card, tiny_tokenizer(card))


@pytest.fixture
def world(ctx: RunContext) -> World:
    """An empty store and ledger to serve from, with SmolLM2's codec."""
    return World(ctx, codec("smollm2"))


@pytest.fixture(scope="module")
def lasting_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests of a module."""
    folder = tmp_path_factory.mktemp("world")
    ledger = Ledger.in_folder(folder)
    yield World(RunContext(store=Store(folder / "store"), ledger=ledger), codec("smollm2"))
    ledger.close()


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    """An upstream that says the same to everybody."""
    with MockUpstream() as upstream:
        yield upstream


@pytest.fixture
def serve(world: World, upstream: MockUpstream) -> Any:
    """Serves a release of the upstream."""
    return lambda **options: world.serving(world.upstream_release(upstream), **options)


@pytest.fixture
def thinking_world(ctx: RunContext) -> World:
    """The same with the codec of a family that reasons."""
    return World(ctx, codec("r1-distill-qwen"))


@pytest.fixture
def toolless_world(ctx: RunContext) -> World:
    """The same with the codec of a family that knows no tools."""
    return World(ctx, codec("deepseek-llm"))
