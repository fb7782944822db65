"""What an evaluation costs: beside a loop of transformers' `generate`, and beside generating the same answers alone.

Rows are Banking77's test questions, asked of the default base model, which says all of its 16 tokens: no training is
needed to repeat this, and an answer that stops early would only shorten both sides. The peer is given the same ids, one
row at a time, with its own key-value cache, and on as many threads. Its answers must be ours.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

from bench.foundation import scratch
from bench.harness import Peer, Record, median_interval
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.evaluate import stage
from seekloop.evaluate.questions import prompts, questions
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.model.codec import Codec
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.system import settings
from seekloop.system.spec import Spec

__all__ = ["measures"]

ROWS, PEER_ROWS, RUNS = 1_000, 60, 3
BASE, SPEC = "smollm2-135m", EvaluateSpec(max_tokens=16, resamples=1_000)
SAID = "banking77 test questions, 16 tokens an answer, greedy"


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """Speed and overhead together: they are parts of the same runs."""
    return [lambda: _measured(data / "banking77" / "test.csv")]


@dataclass(frozen=True)
class _Run:
    """Seconds a row of the three ways to get the answers."""

    evaluated: float
    generated: float
    peer: float


def _measured(file: Path) -> Sequence[Record]:
    with scratch() as folder, RunContext.in_folder(Path(folder)) as ctx:
        base = open_base(BASE, ctx=ctx)
        inputs = EvaluateInputs(checkpoint=base, dataset=_dataset(file, ctx))
        runs = [_run(inputs, ctx=ctx) for _ in range(RUNS)]
    speedups = sorted(one.peer / one.evaluated for one in runs)
    overheads = sorted(one.evaluated / one.generated for one in runs)
    rates = sorted(1 / one.evaluated for one in runs)
    told: dict[str, Any] = {"model": BASE, "data": SAID, "seed": 0}
    peer_rate = sorted(1 / one.peer for one in runs)[RUNS // 2]
    name, version = "transformers generate, batch 1", transformers.__version__
    return [
        Record(
            name="eval_rows_per_s",
            value=rates[RUNS // 2],
            unit="rows/s",
            better="higher",
            n=ROWS,
            ci=median_interval(rates),
            peer=Peer(name=name, version=version, value=peer_rate),
            **told,
        ),
        Record(
            name="eval_speedup",
            value=speedups[RUNS // 2],
            unit="x",
            better="higher",
            n=ROWS,
            ci=median_interval(speedups),
            peer=Peer(name=name, version=version, value=1.0),
            **told,
        ),
        Record(
            name="eval_overhead",
            value=overheads[RUNS // 2],
            unit="x",
            better="lower",
            n=ROWS,
            ci=median_interval(overheads),
            **told,
        ),
    ]


def _run(inputs: EvaluateInputs, *, ctx: RunContext) -> _Run:
    """Each way once, in the same minutes: the machine may drift."""
    codec = Codec.open(ctx.store.folder(inputs.checkpoint.id))
    asked = prompts(questions(inputs.dataset, SPEC, store=ctx.store), SPEC, codec=codec, seed=0)
    started = time.perf_counter()
    stage.run(SPEC, inputs, ctx=ctx)
    evaluated = (time.perf_counter() - started) / ROWS
    started = time.perf_counter()
    with open_backend(inputs.checkpoint, store=ctx.store, streams=None) as backend:
        said = dict(backend.generate(asked))
    generated = (time.perf_counter() - started) / ROWS
    peer, by_peer = _by_transformers(inputs.checkpoint, asked[:PEER_ROWS], ctx=ctx)
    differ = sum(said[index].ids != ids for index, ids in enumerate(by_peer))
    print(f"{differ} of {len(by_peer)} answers differ from the peer's", flush=True)
    return _Run(evaluated, generated, peer)


def _by_transformers(
    base: Checkpoint, asked: Sequence[Prompt], *, ctx: RunContext
) -> tuple[float, list[tuple[int, ...]]]:
    """Seconds a row, loading aside, and the answers."""
    torch.set_num_threads(settings.threads())
    model = AutoModelForCausalLM.from_pretrained(ctx.store.folder(base.id), dtype=torch.float32).eval()
    answers = []
    started = time.perf_counter()
    with torch.inference_mode():
        for prompt in asked:
            ids = torch.tensor([prompt.ids])
            whole = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=prompt.max_tokens,
                do_sample=False,
                eos_token_id=sorted(prompt.stop_ids),
                pad_token_id=0,
            )
            said = whole[0, len(prompt.ids) :].tolist()
            answers.append(tuple(id_ for id_ in said if id_ not in prompt.stop_ids))
    return (time.perf_counter() - started) / len(asked), answers


def _dataset(file: Path, ctx: RunContext) -> Dataset:
    """The first rows of every label in turn, as a test split whose answers are labels."""
    with file.open(encoding="utf-8", newline="") as lines:
        read = list(csv.DictReader(lines))
    rows = [_row(one["text"], one["category"], line) for line, one in enumerate(read, start=2)]
    rows = rows[:: max(1, len(rows) // ROWS)][:ROWS]
    with ctx.job("data", Spec()) as job:
        for split in ("train", "validation", "test", "calibration", "dropped"):
            write_rows(job.path(f"{split}.jsonl"), rows if split == "test" else [])
        splits = {"train": 0, "validation": 0, "test": len(rows)}
        labels = tuple(sorted({row.label for row in rows if row.label}))
        told: dict[str, Any] = {"labels": labels, "answer": "label", "dropped": {}}
        return job.commit(Dataset(made_by=job.origin, rows=len(rows), splits=splits, **told))


def _row(text: str, label: str, line: int) -> Row:
    turns = (Message(role="user", content=text), Message(role="assistant", content=label))
    return Row(id=row_id([text, label, line]), messages=turns, label=label, source=Source(file="test.csv", line=line))
