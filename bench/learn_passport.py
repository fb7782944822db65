"""An answer's passport: how many of its ten hops hold, what it takes to make and to check one, and how large it is.

No peer covers these hops. Of those whose documents were read, none leads from an answer to more than about half of
them, and none to approvals, a tamper-evident log and the way back. The store is a whole turn of the loop in small
files, with a dataset of many rows: weights are not read to make a passport.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.foundation import scratch
from bench.harness import Record, median_record
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact, Checkpoint, Corpus, Dataset, Figure, Release, Report
from seekloop.artifact.ledger import Answer
from seekloop.artifact.passport.checking import examine, examine_store
from seekloop.artifact.passport.claims import HOPS
from seekloop.artifact.passport.making import Passports
from seekloop.artifact.passport.signing import PublicKeys, public_pem
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.system.spec import Spec

__all__ = ["measures"]

ArtifactT = TypeVar("ArtifactT", bound=Artifact)

ROWS, ANSWERS, RUNS = 10_000, 200, 20
DATA = f"{ROWS} train rows, {ANSWERS} answers, corpus to GGUF, SQLite"


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Every measure of this topic."""
    return [passports]


@dataclass(frozen=True)
class _World:
    ctx: RunContext
    answers: list[str]


def passports() -> Sequence[Record]:
    """Make and check the passport of every answer; each is checked offline and against store and ledger."""
    making: list[float] = []
    checking: list[float] = []
    against: list[float] = []
    held = len(HOPS)
    size = 0
    with _world() as world:
        maker = Passports(store=world.ctx.store, ledger=world.ctx.ledger)
        first = maker.make(world.answers[0])
        keys = PublicKeys.of_text(public_pem(world.ctx.ledger))
        for answer in world.answers:
            start = time.perf_counter()
            made = maker.make(answer)
            middle = time.perf_counter()
            found = examine(made.data, keys=keys)
            making.append(middle - start)
            checking.append(time.perf_counter() - middle)
            wrong = {one.hop for one in found.problems}
            held = min(held, 0 if wrong - set(HOPS) else len(HOPS) - len(wrong))
        found = examine(first.data, keys=keys)
        for _ in range(RUNS):
            start = time.perf_counter()
            wrong = {one.hop for one in examine_store(found, store=world.ctx.store, ledger=world.ctx.ledger)}
            against.append(time.perf_counter() - start)
            held = min(held, len(HOPS) - len(wrong))
        size = len(first.data)
    told: dict[str, Any] = {"better": "lower", "data": DATA}
    return [
        Record(name="passport_hops", value=held, unit="hops", better="higher", n=len(making), data=DATA),
        Record(name="passport_kb", value=size / 1000, unit="kB", better="lower", n=1, data=DATA),
        median_record("passport_make_ms", [1000 * one for one in making], unit="ms", **told),
        median_record("passport_check_ms", [1000 * one for one in checking], unit="ms", **told),
        median_record("passport_check_store_ms", [1000 * one for one in against], unit="ms", **told),
    ]


@contextlib.contextmanager
def _world() -> Iterator[_World]:
    with scratch() as folder, RunContext.in_folder(folder, seed=7) as ctx:
        release = _release(ctx)
        ctx.ledger.move_alias("production", release.id, expected_version=0, actor="bench", reason="bench")
        answers = [_answer(number, release.id) for number in range(ANSWERS)]
        ctx.ledger.record_answers(answers)
        yield _World(ctx, [one.id for one in answers])


def _release(ctx: RunContext) -> Release:
    corpus = _made(ctx, "read", Corpus, files={"rows.jsonl": b"{}\n"}, rows=ROWS, sources=("a.jsonl",), formats=("j",))
    dataset = _dataset(ctx, corpus)
    base = _checkpoint(ctx, "full", "model.safetensors")
    adapter = _checkpoint(ctx, "adapter", "adapter_model.safetensors", base=base.id, dataset=dataset.id)
    gguf = _checkpoint(ctx, "gguf", "model.gguf", checkpoint=adapter.id)
    report = _made(
        ctx,
        "evaluate",
        Report,
        files={"answers.jsonl": b"{}\n"},
        parents={"checkpoint": gguf.id, "dataset": dataset.id},
        subject=gguf.id,
        dataset=dataset.id,
        split="test",
        engine="none",
        figures=(Figure(name="accuracy", value=0.9, n=100),),
    )
    ctx.ledger.note("gate.verdict", gguf.id, facts={"decision": "promote", "rule_digest": "sha256:0"}, actor="gate")
    named = {"checkpoint": gguf.id, "report": report.id}
    return _made(ctx, "serve", Release, files={}, parents=named, **named)


def _dataset(ctx: RunContext, corpus: Corpus) -> Dataset:
    with ctx.job("data", Spec()) as job:
        rows = [
            Row(
                id=row_id(number),
                messages=(
                    Message(role="user", content=f"My card {number} has not arrived. " * 3),
                    Message(role="assistant", content="card_arrival"),
                ),
                source=Source(file=f"{number % 7}.jsonl", line=number + 1),
            )
            for number in range(ROWS)
        ]
        write_rows(job.path("train.jsonl"), rows)
        write_rows(job.path("test.jsonl"), rows[:100])
        splits = {"train": ROWS, "validation": 0, "test": 100}
        facts: dict[str, Any] = {"rows": ROWS + 100, "splits": splits, "dropped": {}}
        return job.commit(Dataset(made_by=job.origin, parents={"corpus": corpus.id}, **facts))


def _checkpoint(ctx: RunContext, form: str, name: str, **parents: str) -> Checkpoint:
    facts: dict[str, Any] = {"form": form, "family": "smollm2", "precision": "f32", "parameters": 1}
    files = {name: form.encode() * 1000, "codec.json": b"{}"}
    return _made(ctx, "tune", Checkpoint, files=files, parents=parents, **facts)


def _made(ctx: RunContext, stage: str, kind: type[ArtifactT], *, files: dict[str, bytes], **facts: Any) -> ArtifactT:
    with ctx.job(stage, Spec()) as job:
        for name, data in files.items():
            job.path(name).write_bytes(data)
        return job.commit(kind.model_validate({"made_by": job.origin, **facts}))


def _answer(number: int, release: str) -> Answer:
    return Answer(
        id=f"ans_{number:032x}",
        release=release,
        at="2026-01-01T00:00:00+00:00",
        caller="app",
        messages=[{"role": "user", "content": f"My card {number} has not arrived."}],
        content="card_arrival\nIt is on its way.",
        finish_reason="stop",
        prompt_tokens=40,
        completion_tokens=60,
        first_token_ms=12.5,
        total_ms=180.25,
        decoding={"max_tokens": 256, "temperature": 0.0},
    )
