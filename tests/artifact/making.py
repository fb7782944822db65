"""What the tests of this room make: answers, artifacts, and one whole chain from corpus to served answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Artifact, Checkpoint, Corpus, Dataset, Figure, Origin, Receipt, Release, Report
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.artifact.store import Store
from seekloop.system.spec import Spec

RECEIPT = Receipt(created_at="2026-01-01T00:00:00+00:00", hardware={"cpu": "test", "cores": 2}, wall_s=1.5)
ORIGIN = Origin(stage="data", spec={}, spec_digest="sha256:0", code_version="0", lock_digest="sha256:0", seed=7)


class NoOptions(Spec):
    """A spec without options."""


def corpus(**changes: Any) -> Corpus:
    return Corpus(made_by=ORIGIN, rows=1, sources=("a.jsonl",), formats=("jsonl",)).model_copy(update=changes)


def put(store: Store, *, files: dict[str, bytes] | None = None, artifact: Artifact | None = None) -> Artifact:
    """Commit `artifact` with `files`."""
    with store.draft() as draft:
        for name, data in (files or {"rows.jsonl": b"{}\n"}).items():
            draft.path(name).write_bytes(data)
        return store.commit(draft, artifact or corpus(), receipt=RECEIPT)


def an_answer(number: int = 0, **changes: Any) -> Answer:
    values = {
        "id": f"ans_{number:04x}",
        "release": "release:0",
        "at": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}+00:00",
        "caller": "key-1",
        "messages": [{"role": "user", "content": f"问题 {number}"}],
        "content": f"答案 {number}",
        "finish_reason": "stop",
        "prompt_tokens": 5,
        "completion_tokens": 7,
        "first_token_ms": 1.5,
        "total_ms": 20.0,
        "decoding": {"temperature": 0.0},
    }
    return Answer(**{**values, **changes})


def a_feedback(identity: str = "fb-1", *, answer: str = "ans_0000", **changes: Any) -> Feedback:
    values = {"id": identity, "answer": answer, "at": "2026-01-02T00:00:00+00:00", "caller": "key-1", "score": 0.0}
    return Feedback(**{**values, **changes})


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One turn of the loop: ids from the answer down."""

    answer: str
    release: str
    report: str
    gguf: str
    merged: str
    adapter: str
    base: str
    dataset: str
    corpus: str


def one_turn(ctx: RunContext) -> Loop:
    """Corpus, dataset, base, adapter, merged, gguf, report, release, verdict, promotion, answer."""
    read = made(ctx, corpus(rows=3), {"rows.jsonl": b"{}\n"})
    dataset = make_dataset(ctx, read)
    base = made(ctx, checkpoint("full"), {"model.safetensors": b"base", "codec.json": b"{}"}, stage="base")
    adapter = made(
        ctx, checkpoint("adapter", base=base, dataset=dataset), {"adapter_model.safetensors": b"lora"}, stage="tune"
    )
    merged = made(ctx, checkpoint("full", checkpoint=adapter), {"model.safetensors": b"merged"}, stage="compress")
    gguf = made(ctx, checkpoint("gguf", checkpoint=merged), {"model.gguf": b"gguf"}, stage="compress")
    report = made(ctx, make_report(gguf, dataset), {"answers.jsonl": b"{}\n"}, stage="evaluate")
    release = made(
        ctx,
        Release(
            made_by=ORIGIN, parents={"checkpoint": gguf.id, "report": report.id}, checkpoint=gguf.id, report=report.id
        ),
        {},
        stage="serve",
    )
    ctx.ledger.note("gate.verdict", gguf.id, facts={"decision": "promote"}, actor="gate")
    ctx.ledger.move_alias("production", release.id, expected_version=0, actor="li", reason="better by 3 points")
    ctx.ledger.record_answers([an_answer(release=release.id)])
    return Loop(
        answer="ans_0000",
        release=release.id,
        report=report.id,
        gguf=gguf.id,
        merged=merged.id,
        adapter=adapter.id,
        base=base.id,
        dataset=dataset.id,
        corpus=read.id,
    )


def made(ctx: RunContext, artifact: Artifact, files: dict[str, bytes], *, stage: str = "data") -> Artifact:
    """Commit and record as a stage does."""
    with ctx.job(stage, NoOptions()) as job:
        for name, data in files.items():
            job.path(name).write_bytes(data)
        return job.commit(artifact.model_copy(update={"made_by": job.origin}))


def make_dataset(ctx: RunContext, read: Artifact) -> Dataset:
    rows = [
        Row(
            id=row_id(number),
            messages=(Message(role="user", content="q"), Message(role="assistant", content="a")),
            source=Source(file="messages.jsonl", line=number),
            origin="ans_0007" if number == 2 else None,
        )
        for number in (1, 2)
    ]
    with ctx.job("data", NoOptions()) as job:
        write_rows(job.path("train.jsonl"), rows)
        write_rows(job.path("test.jsonl"), rows[:1])
        splits = {"train": 2, "validation": 0, "test": 1}
        parents = {"corpus": read.id}
        return job.commit(Dataset(made_by=job.origin, parents=parents, rows=4, splits=splits, dropped={"duplicate": 1}))


def checkpoint(form: str, **parents: Artifact) -> Checkpoint:
    ids = {role: parent.id for role, parent in parents.items()}
    return Checkpoint(made_by=ORIGIN, parents=ids, form=form, family="smollm2", precision="f32", parameters=10)


def make_report(subject: Artifact, dataset: Artifact) -> Report:
    parents = {"checkpoint": subject.id, "dataset": dataset.id}
    figures = (Figure(name="accuracy", value=0.9, n=1),)
    return Report(
        made_by=ORIGIN,
        parents=parents,
        subject=subject.id,
        dataset=dataset.id,
        split="test",
        engine="echo",
        figures=figures,
    )
