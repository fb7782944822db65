"""Rollouts: who answered, what a bad candidate costs clients, how fast a way back is, how often the rules are wrong.

Needs no data: random models with untied embeddings on real engines, each process holding one of them, and simulated
callers for the error rates of the rules.
"""

from __future__ import annotations

import contextlib
import functools
import random
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2

from bench.harness import Record, median_interval, wilson
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Release, Report
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Chance, Prompt, Token
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.tiny import tiny_base
from seekloop.serve import stage
from seekloop.serve.caller import Caller
from seekloop.serve.engines import opener
from seekloop.serve.gateway import Gateway
from seekloop.serve.keys import Keyring
from seekloop.serve.options import GatewayOptions
from seekloop.serve.queueing.options import QueueOptions
from seekloop.serve.rollout.counts import ArmCounts, Counts
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.spec import RolloutSpec
from seekloop.serve.rollout.verdict import decide
from seekloop.serve.server import in_thread
from seekloop.serve.spec import ServeInputs, ServeSpec
from seekloop.system.errors import EngineError
from seekloop.system.spec import Spec

__all__ = ["measures"]

KEY, SEED = "bench", 7
TOKENS = 8
BEGINNING = "A customer of the bank writes to us, and we answer in few words. The customer writes: "
QUESTIONS = [f"{BEGINNING}{end}" for end in ("my card", "my card is gone", "my car", "where is my card", "my card?")]
MODEL = "tiny llama, 2 layers, random"


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Each measurement of this topic."""
    return [lambda: wrong_version("torch"), lambda: wrong_version("llamacpp"), rollbacks, bad_canary, rules]


@dataclass
class Place:
    """An empty project with releases of random models in one form."""

    ctx: RunContext
    engine: Literal["torch", "llamacpp"]

    def releases(self, count: int) -> list[Release]:
        """Measured and released."""
        return [self._release(seed) for seed in range(count)]

    def _release(self, seed: int) -> Release:
        base = tiny_base(self.ctx, family="deepseek-llm", seed=seed)
        if self.engine == "llamacpp":
            spec = CompressSpec(method=GgufMethod(precision="f16"))
            base = compress.run(spec, CompressInputs(checkpoint=base), ctx=self.ctx)
        inputs = ServeInputs(checkpoint=base, report=_report(base, self.ctx))
        return stage.run(ServeSpec(max_tokens=TOKENS), inputs, ctx=self.ctx)

    def promote(self, release: Release) -> int:
        """Put it into production; the move's number."""
        ledger = self.ctx.ledger
        return ledger.move_alias("production", release.id, expected_version=None, actor="b", reason="bench").version

    @property
    def desk(self) -> Desk:
        """Of its rollouts."""
        return Desk(ledger=self.ctx.ledger, store=self.ctx.store)

    def alone(self, release: Release) -> dict[str, str]:
        """What an engine that holds only this release says to each question."""
        checkpoint = self.ctx.store.open(release.checkpoint, Checkpoint)
        codec = Codec.open(self.ctx.store.folder(checkpoint.id))
        talks = [[Message(role="user", content=text)] for text in QUESTIONS]
        prompts = [Prompt(ids=codec.prompt_ids(t), stop_ids=codec.stop_ids, max_tokens=TOKENS) for t in talks]
        with open_backend(checkpoint, store=self.ctx.store, engine=self.engine, streams=1) as backend:
            said = dict(backend.generate(prompts))
        return {text: codec.parse(said[number].ids).content for number, text in enumerate(QUESTIONS)}

    @contextlib.contextmanager
    def serving(self, first: Release, *, start: Any = None) -> Iterator[tuple[Gateway, httpx2.Client]]:
        """A gateway that answers with `first`, and a client of it."""
        self.promote(first)
        options = GatewayOptions(
            engine=self.engine, streams=4, threads=1, queue=QueueOptions(max_requests=400), context=512
        )
        gateway = Gateway(
            store=self.ctx.store,
            ledger=self.ctx.ledger,
            keyring=Keyring({KEY: Caller(name="bench")}),
            opener=start or opener(self.ctx.store, options),
            options=options,
        )
        headers = {"Authorization": f"Bearer {KEY}"}
        with in_thread(gateway) as running, httpx2.Client(base_url=running.url, timeout=60, headers=headers) as http:
            _until(lambda: gateway.ready)
            yield gateway, http


def wrong_version(engine: Literal["torch", "llamacpp"]) -> Sequence[Record]:
    """200 mixed requests with a shared beginning over four releases, by name and by arm, eight at a time."""
    with _place(engine) as place:
        releases = place.releases(4)
        expected = {release.id: place.alone(release) for release in releases}
        arms = [{"release": release.id, "share": 0.25} for release in releases[1:]]
        spec = RolloutSpec.parse({"plan": {"mode": "split", "arms": arms}, "unit": "request", "alpha": 1e-9})
        names = [None, *(release.id for release in releases)]
        random_ = random.Random(SEED)
        asked = [(random_.choice(QUESTIONS), random_.choice(names)) for _ in range(200)]
        with place.serving(releases[0]) as (gateway, http), ThreadPoolExecutor(8) as pool:
            place.desk.start(spec, alias="production", actor="bench", reason="bench")
            _until(lambda: gateway.pool.rollouts.in_effect is not None)
            answers = list(pool.map(lambda one: _ask(http, one[0], model=one[1]), asked))
        rows = {row.id: row for row in place.ctx.ledger.answers()}
    wrong = 0
    for (text, model), answer in zip(asked, answers, strict=True):
        body, label = answer.json(), answer.headers["x-seekloop-release"]
        row, said = rows[body["id"]], body["choices"][0]["message"]["content"]
        right = said == expected[label][text] == row.content and label == row.release == body["system_fingerprint"]
        wrong += not (right and model in (None, label))
    distinct = len({tuple(said.values()) for said in expected.values()})
    facts: dict[str, Any] = {"model": f"4 x {MODEL}, {distinct} of 4 distinct", "seed": SEED}
    name = "wrong_version_answers" if engine == "torch" else f"wrong_version_answers_{engine}"
    return [Record(name=name, value=wrong, unit="answers", better="lower", n=200, **facts)]


def rollbacks() -> Sequence[Record]:
    """From the command to the first moment that nobody can be answered by the candidate any more; and of the alias."""
    ended, moved = [], []
    with _place("torch") as place:
        one, two = place.releases(2)
        plan = {"mode": "canary", "candidate": two.id, "steps": [{"share": 0.9}]}
        with place.serving(one) as (gateway, http):
            for _ in range(10):
                rollout = place.desk.start(
                    RolloutSpec.parse({"plan": plan}), alias="production", actor="bench", reason="bench"
                )
                _until(lambda: gateway.pool.rollouts.in_effect is not None)
                began = time.perf_counter()
                place.desk.abort(rollout, actor="bench", reason="bench")
                _until(lambda: gateway.pool.rollouts.in_effect is None)
                ended.append(time.perf_counter() - began)
            place.promote(two)
            _until(lambda: _serves(gateway, two))
            for release in [one, two] * 10:
                began = time.perf_counter()
                place.promote(release)
                _until(functools.partial(_serves, gateway, release))
                moved.append(time.perf_counter() - began)
                assert _ask(http, QUESTIONS[0]).headers["x-seekloop-release"] == release.id
    return [
        Record(
            name=name,
            value=statistics.median(values),
            unit="s",
            better="lower",
            n=len(values),
            ci=median_interval(values),
            model=MODEL,
        )
        for name, values in (("rollout_abort_s", ended), ("alias_rollback_s", moved))
    ]


def bad_canary() -> Sequence[Record]:
    """A candidate whose engine dies after three tokens, under eight clients: statuses, and until it is rolled back."""
    with _place("torch") as place:
        one, two = place.releases(2)
        started = opener(place.ctx.store, GatewayOptions(engine="torch", streams=4, threads=1, context=512))

        async def start(checkpoint: Checkpoint) -> AsyncBackend:
            engine = await started(checkpoint)
            return _Dying(engine) if checkpoint.id == two.checkpoint else engine

        plan = {"mode": "canary", "candidate": two.id, "steps": [{"share": 0.25, "answers": 10**6}]}
        spec = RolloutSpec.parse({"plan": plan, "unit": "request"})
        with place.serving(one, start=start) as (gateway, http), ThreadPoolExecutor(8) as pool:
            rollout = place.desk.start(spec, alias="production", actor="bench", reason="bench")
            _until(lambda: gateway.pool.rollouts.in_effect is not None)
            statuses = [
                answer.status_code
                for _ in range(25)
                for answer in pool.map(lambda text: _ask(http, text), QUESTIONS * 8)
            ]
            _until(lambda: not place.desk.read().known[rollout.id].running)
            end = place.desk.read().known[rollout.id].changes[-1]
        exposed = sum(row.arm.get("arm") == two.id for row in place.ctx.ledger.answers())
    assert end.kind == "rollout.rolled_back", end.kind
    errors = sum(status >= 500 for status in statuses)
    count = len(statuses)
    return [
        Record(name="bad_canary_client_5xx", value=errors, unit="answers", better="lower", n=count, model=MODEL),
        Record(name="bad_canary_exposed", value=exposed, unit="requests", better="lower", n=count, model=MODEL),
    ]


def rules() -> Sequence[Record]:
    """Simulated canaries, judged after every twenty answers: as good a candidate, and one ten points worse."""
    runs, worse = 1000, 100
    wrong = sum(_canary(seed, score=0.9, answers=600) is not None for seed in range(runs))
    found = [_canary(seed, score=0.8, answers=4000) for seed in range(worse)]
    seen = [count for count in found if count is not None]
    low, high = wilson(wrong, runs)
    records = [
        Record(
            name="canary_false_rollbacks",
            value=wrong / runs,
            unit="share",
            better="lower",
            n=runs,
            ci=(low, high),
            seed=0,
        ),
        Record(
            name="canary_power_10_points",
            value=len(seen) / worse,
            unit="share",
            better="higher",
            n=worse,
            ci=wilson(len(seen), worse),
            seed=0,
        ),
    ]
    if seen:
        middle, interval = statistics.median(seen), median_interval(seen)
        facts: dict[str, Any] = {"unit": "answers", "better": "lower", "n": len(seen), "ci": interval, "seed": 0}
        records.append(Record(name="canary_answers_to_find_10_points", value=middle, **facts))
    return records


def _canary(seed: int, *, score: float, answers: int) -> int | None:
    """Answers until the rules rolled a candidate back; None: never."""
    random_ = random.Random(seed)
    plan = {"mode": "canary", "candidate": "new", "steps": [{"share": 0.25}]}
    rules = [{"watch": "errors"}, {"watch": "first_token"}, {"watch": "score", "margin": 0.03}, {"watch": "safety"}]
    spec, counts = RolloutSpec.parse({"plan": plan, "rules": rules}), Counts()
    for number in range(1, answers + 1):
        new = random_.random() < 0.25
        _answer(counts.at(0, "new" if new else "old"), random_, score=score if new else 0.9)
        if number % 20 == 0:
            verdict = decide(spec, counts, control="old", step=0, minutes=0.0)
            if verdict.action == "roll_back":
                return number
    return None


def _answer(arm: ArmCounts, random_: random.Random, *, score: float) -> None:
    arm.asked += 1
    arm.failed += random_.random() < 0.01
    arm.filtered += random_.random() < 0.005
    arm.first_token[round(random_.gauss(55, 6))] += 1
    arm.scored += 1
    arm.score += random_.random() < score


class _Dying:
    """An engine that dies, under whoever listens, after three tokens of an answer."""

    def __init__(self, engine: AsyncBackend) -> None:
        self.name, self.abilities = engine.name, engine.abilities
        self._engine = engine
        self._dead = False

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        """Three tokens, then death."""
        count = 0
        async with contextlib.aclosing(self._engine.stream(prompt)) as tokens:
            async for token in tokens:
                count += 1
                self._dead = self._dead or count > 3
                if self._dead:
                    raise EngineError("serve.engine_stopped", release="bench")
                yield token

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """Of the engine inside."""
        return await self._engine.read(ids, top=top)

    async def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """Of the engine inside."""
        return await self._engine.among(ids, allowed=allowed, most=most)

    async def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """Of the engine inside."""
        return await self._engine.embed(ids)

    async def probe(self) -> None:
        """Of the engine inside."""
        await self._engine.probe()

    def alive(self) -> bool:
        """Until it dies."""
        return not self._dead and self._engine.alive()

    async def close(self) -> None:
        """Of the engine inside."""
        await self._engine.close()


@contextlib.contextmanager
def _place(engine: Literal["torch", "llamacpp"]) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        yield Place(ctx, engine)


def _report(checkpoint: Checkpoint, ctx: RunContext) -> Report:
    """A report that admits a checkpoint; what it says of it is not measured here."""
    talk = (Message(role="user", content="Hi"), Message(role="assistant", content="Hello"))
    with ctx.job("bench", Spec()) as job:
        write_rows(job.path("test.jsonl"), [Row(id=row_id([]), messages=talk, source=Source(file="b", line=1))])
        splits = {"train": 0, "validation": 0, "test": 1}
        dataset = job.commit(Dataset(made_by=job.origin, rows=1, splits=splits, dropped={}))
    with ctx.job("bench", Spec()) as job:
        report = Report(
            parents={"checkpoint": checkpoint.id, "dataset": dataset.id},
            made_by=job.origin,
            subject=checkpoint.id,
            dataset=dataset.id,
            split="test",
            engine="none",
            figures=(Figure(name="accuracy", value=1.0, n=1),),
        )
        return job.commit(report)


def _ask(http: httpx2.Client, text: str, *, model: str | None = None) -> httpx2.Response:
    body = {"model": model or "production", "messages": [{"role": "user", "content": text}]}
    return http.post("/v1/chat/completions", json=body)


def _serves(gateway: Gateway, release: Release) -> bool:
    return gateway.pool.serving is not None and gateway.pool.serving.release.id == release.id


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came")
        time.sleep(0.002)


if __name__ == "__main__":
    for measure in measures(Path()):
        for record in measure():
            print(record.name, record.value, record.unit, record.ci, record.n)
