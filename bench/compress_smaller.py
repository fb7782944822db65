"""Smaller models of the tuned banking model: accuracy beside their teacher's, and speed in the same engine and run.

`python -m bench.compress_smaller FOLDER` measures; FOLDER holds `banking77/`. The teacher is LoRA on ten intents of 24
rows each, as in `bench.tune_methods`. The transfer set is real: rows of the train file beyond those 24, without their
labels; the teacher answers them, and nobody else. Test rows are those of `bench.tune_methods`; the recipes were chosen
on train-file rows that are in neither set.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import harness
from bench.harness import Record
from bench.tune_methods import banking_rows
from seekloop import compress, evaluate, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, Source, read_rows, row_id, write_rows
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.system.spec import Spec
from seekloop.text.normalize import key

__all__ = ["DISTIL", "PRUNE", "measures", "rows_of"]

SEED = 7
TRANSFER, TRIED = 60, 12
"""Of each intent: unlabelled rows for the student, and rows on which recipes were chosen."""
DISTIL: dict[str, Any] = {
    "type": "distil",
    "student": {"depth": 0.5, "width": 0.75},
    "loss": {"share": 0.7, "temperature": 2.0, "top_k": 64},
    "training": {"epochs": 4, "learning_rate": 3e-4},
    "allow": {"kl": 2.0},
}
PRUNE: dict[str, Any] = {
    "type": "prune",
    "heads": 0.3,
    "recover": {"epochs": 2, "learning_rate": 1e-4},
    "allow": {"kl": 2.0},
}
DECODED, ROUNDS = 48, 7


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure: the three figures share their teacher."""
    return [partial(_measure, data)]


def rows_of(data: Path) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """Labelled train rows, unlabelled transfer rows, rows to choose recipes on, and test rows: no question twice."""
    train, test = banking_rows(data)
    tested = {key(row.messages[1].content) for row in test}
    train = [row for row in train if key(row.messages[1].content) not in tested]
    asked = tested | {key(row.messages[1].content) for row in train}
    intents = {row.label for row in train}
    found: defaultdict[str, set[str]] = defaultdict(set)
    with gzip.open(data / "banking77" / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["category"] in intents and key(row["text"]) not in asked:
                found[row["category"]].add(row["text"])
    transfer: list[Row] = []
    tried: list[Row] = []
    for intent in sorted(found):
        texts = sorted(found[intent], key=lambda text: hashlib.sha256(text.encode()).digest())
        tried += [_row(text, intent) for text in texts[:TRIED]]
        transfer += [_row(text, None) for text in texts[TRIED : TRIED + TRANSFER]]
    return train, transfer, tried, test


def _row(text: str, intent: str | None) -> Row:
    answer = () if intent is None else (Message(role="assistant", content=intent),)
    return Row(
        id=row_id([text, intent]),
        messages=(Message(role="system", content="Name the intent."), Message(role="user", content=text), *answer),
        label=intent,
        source=Source(file="banking77", line=1),
    )


def _dataset(train: Sequence[Row], test: Sequence[Row], *, calibration: Sequence[Row], ctx: RunContext) -> Dataset:
    splits = {"train": train, "validation": [], "test": test}
    with ctx.job("data", Spec()) as job:
        for name, part in {**splits, "calibration": calibration, "dropped": []}.items():
            write_rows(job.path(f"{name}.jsonl"), part)
        return job.commit(
            Dataset(
                made_by=job.origin,
                rows=len(train) + len(test),
                splits={name: len(part) for name, part in splits.items()},
                dropped={},
                calibration=len(calibration),
                labels=tuple(sorted({row.label for row in test if row.label})),
                answer="label",
            )
        )


def _measure(data: Path) -> Sequence[Record]:
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        train, transfer, _, test = rows_of(data)
        plain = _dataset(train, test, calibration=train[::4], ctx=ctx)
        wide = _dataset([*train, *transfer], test, calibration=train[::4], ctx=ctx)
        base = open_base("smollm2-135m", ctx=ctx)
        spec = tune.TuneSpec.parse({"method": {"type": "lora"}})
        teacher = tune.run(spec, tune.TuneInputs(dataset=plain, checkpoint=base), ctx=ctx)
        student = smaller(DISTIL, teacher, wide, ctx=ctx)
        pruned = smaller(PRUNE, teacher, wide, ctx=ctx)
        right = {name: right_of(one, plain, ctx=ctx) for name, one in _named(teacher, student, pruned)}
        whole = compress.run(
            compress.CompressSpec.parse({"method": {"type": "merge"}}),
            compress.CompressInputs(checkpoint=teacher),
            ctx=ctx,
        )
        speed = speeds([whole, student], plain, ctx=ctx)
    return [
        _share("student_accuracy_share", right["student"], right["teacher"]),
        _share("pruned30_accuracy_share", right["pruned"], right["teacher"]),
        harness.median_record(
            "student_speedup",
            [mine / theirs for theirs, mine in zip(*speed, strict=True)],
            unit="times",
            better="higher",
            **_facts(),
        ),
    ]


def _named(teacher: Checkpoint, student: Checkpoint, pruned: Checkpoint) -> list[tuple[str, Checkpoint]]:
    return [("teacher", teacher), ("student", student), ("pruned", pruned)]


def smaller(method: dict[str, Any], parent: Checkpoint, dataset: Dataset, *, ctx: RunContext) -> Checkpoint:
    """The form that a method makes of `parent`."""
    spec = compress.CompressSpec.parse({"method": method})
    began = time.perf_counter()
    made = compress.run(spec, compress.CompressInputs(checkpoint=parent, dataset=dataset), ctx=ctx)
    told = json.loads(ctx.store.path(made.id, "smaller.json").read_text("utf-8"))
    print(method["type"], made.parameters, f"{time.perf_counter() - began:.0f} s", told, flush=True)
    return made


def right_of(checkpoint: Checkpoint, dataset: Dataset, *, ctx: RunContext) -> list[bool]:
    """Whether each test row is answered right, among the labels."""
    spec = evaluate.EvaluateSpec.parse({"engine": "torch", "max_tokens": 32, "ask": {"answers": "constrained"}})
    report = evaluate.run(spec, evaluate.EvaluateInputs(checkpoint=checkpoint, dataset=dataset), ctx=ctx)
    figure = report.figure("accuracy")
    print("accuracy", figure.value, figure.n, flush=True)
    text = ctx.store.path(report.id, "answers.jsonl").read_text("utf-8")
    return [bool(json.loads(line)["correct"]) for line in text.splitlines()]


def speeds(checkpoints: Sequence[Checkpoint], dataset: Dataset, *, ctx: RunContext) -> list[list[float]]:
    """Decoded tokens a second of each in fp32 torch, one stream, in turns; the first turn is not counted."""
    codec = models.codec_of(checkpoints[0], store=ctx.store)
    row = next(read_rows(ctx.store.path(dataset.id, "test.jsonl")))
    ids = codec.prompt_ids(row.messages[:-1])
    found: list[list[float]] = [[] for _ in checkpoints]
    backends = [open_backend(one, store=ctx.store, engine="torch", streams=1) for one in checkpoints]
    for turn in range(ROUNDS + 1):
        for place, backend in enumerate(backends):
            times = []
            for _ in backend.stream(Prompt(ids=ids, stop_ids=frozenset(), max_tokens=DECODED)):
                times.append(time.perf_counter())
            if turn:
                found[place].append((DECODED - 1) / (times[DECODED - 1] - times[0]))
    for backend in backends:
        backend.close()
    print("tokens/s", [round(statistics.median(one), 1) for one in found], flush=True)
    return found


def _share(name: str, right: Sequence[bool], teachers: Sequence[bool]) -> Record:
    """Accuracy over the teacher's on the same rows."""
    low, high = _bootstrap(right, teachers)
    return Record(
        name=name,
        value=sum(right) / sum(teachers),
        unit="ratio",
        better="higher",
        n=len(right),
        ci=(low, high),
        **_facts(),
    )


def _bootstrap(right: Sequence[bool], teachers: Sequence[bool], *, times: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of the ratio, rows drawn in pairs."""
    pairs = np.array([right, teachers], dtype=float)
    draws = np.random.default_rng(SEED).integers(0, pairs.shape[1], (times, pairs.shape[1]))
    sums = pairs[:, draws].sum(2)
    low, high = np.quantile(sums[0] / sums[1], [0.025, 0.975])
    return float(low), float(high)


def _facts() -> dict[str, Any]:
    return {
        "model": "smollm2-135m, tuned",
        "data": f"banking77, first 10 intents by name x 24 rows, {TRANSFER} unlabelled each, 20 test rows each",
        "seed": SEED,
    }


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("error: which folder holds the public data sets?\nhint: python -m bench.compress_smaller FOLDER")
    harness.run("compress", measures(Path(sys.argv[1])))
