"""Every method of tuning on Banking77: accuracy beside what it costs, forgetting included.

`python -m bench.tune_methods FOLDER [METHOD…]` measures all of them or some on ten intents, and
`python -m bench.tune_methods FOLDER --all77 [METHOD…]` on all 77 with few rows each; FOLDER holds `banking77/` and
`llamafactory_demo/`. Each runs in a process of its own, so that peak memory is its own.

Which ten matters more than which method: the figures of those in `DRAWN` are the mean over five draws, of seeds 0 to 4,
and all others are compared with each other on the first ten by name. A draw that was measured is kept in `runs/`:
killed, it goes on.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from bench import harness
from bench.harness import Record
from seekloop import evaluate, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Message, Row, Source, row_id, write_rows
from seekloop.model.codec import Codec, View
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.runtime.train.batching import collate, labelled
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.method import trainable
from seekloop.system import provenance
from seekloop.system.files import write_whole
from seekloop.system.spec import Spec
from seekloop.text.normalize import key
from seekloop.tune.methods.build import build
from seekloop.tune.objective_spec import ClassifyObjective

__all__ = [
    "ASKED",
    "AS_LISTED",
    "DRAWS",
    "INTENTS",
    "METHODS",
    "ROWS_PER_INTENT",
    "SEED",
    "banking_rows",
    "dataset_of",
    "measures",
    "ranked",
]

SEED = 7
INTENTS, ROWS_PER_INTENT, TESTS_PER_INTENT = 10, 24, 20
ALL, ALL_ROWS_PER_INTENT, ALL_TESTS_PER_INTENT = "all", 12, 5
"""All 77 intents; with all rows it is `tune_all77`."""
BY_NAME, LISTED = "by name", "as listed"
GENERAL_ROWS, GENERAL_TOKENS = 40, 256
SMALL_STEPS = {"epochs": 6, "rows_per_step": 4}
"""Virtual tokens still learn where adapters are done."""
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"method": {"type": "lora"}},
    "lora_head": {"method": {"type": "lora"}, "objective": {"type": "classify"}},
    "lora_by_name": {"method": {"type": "lora"}},
    "lora_as_listed": {"method": {"type": "lora"}},
    "lora_mlp": {"method": {"type": "lora_mlp"}},
    "dora": {"method": {"type": "dora"}},
    "rslora": {"method": {"type": "rslora"}},
    "pissa": {"method": {"type": "pissa"}},
    "lora_plus": {"method": {"type": "lora_plus"}},
    "qlora": {"method": {"type": "qlora"}},
    "qlora_int8": {"method": {"type": "qlora", "base": "int8"}},
    "ia3": {"method": {"type": "peft", "peft_type": "IA3"}},
    "full": {"method": {"type": "full"}},
    "bottleneck": {"method": {"type": "bottleneck"}},
    "pfeiffer": {"method": {"type": "bottleneck", "placement": "pfeiffer"}},
    "prefix": {"method": {"type": "prefix"}, **SMALL_STEPS},
    "prompt": {"method": {"type": "prompt"}, **SMALL_STEPS},
    "p_tuning": {"method": {"type": "p_tuning"}, **SMALL_STEPS},
    "last_layers": {"method": {"type": "last_layers"}},
    "head": {"method": {"type": "last_layers", "last": 0, "head": True}},
}
"""Name -> what its tune spec says; all else is at its default."""
AS_LISTED = "lora_as_listed"
"""LoRA again, on the ten intents that the file lists first: five of them are about one card on its way."""
TEN_ONLY = ("lora_by_name", AS_LISTED)
DRAWN, DRAWS = ("lora", "lora_head"), range(5)
"""LoRA on intents that seeds draw."""
KEPT = harness.REPOSITORY / "runs" / "tune_methods"
ASKED = {"engine": "torch", "max_tokens": 32}
FIGURES: tuple[tuple[str, str, Literal["higher", "lower"]], ...] = (
    ("accuracy_among_labels", "share", "higher"),
    ("perplexity_rise", "times", "lower"),
    ("trained_share", "share", "lower"),
    ("peak_mb", "MB", "lower"),
    ("train_s", "s", "lower"),
)


def measures(data: Path, names: Iterable[str] = METHODS) -> list[Callable[[], Sequence[Record]]]:
    """One measure a method."""
    return [partial(_measure, data, name) for name in names]


def _measure(data: Path, name: str) -> Sequence[Record]:
    if name in DRAWN:
        return _measure_draws(data, name)
    which = LISTED if name == AS_LISTED else BY_NAME
    told = f"first {INTENTS} intents {which} x {ROWS_PER_INTENT} rows"
    return _records(name, [_found(data, name, which)], told=told)


def _measure_all(data: Path, name: str) -> Sequence[Record]:
    found = _found(data, name, ALL)
    return _records(name, [found], told=f"all 77 intents x {ALL_ROWS_PER_INTENT} rows", prefix="banking77_77x12")


def _measure_draws(data: Path, name: str) -> Sequence[Record]:
    """The figures over all draws: rows pooled, costs in the middle."""
    found = []
    for draw in DRAWS:
        kept = KEPT / provenance.code_version().rpartition(".")[2] / f"{name}-{draw}.json"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(_found(data, name, str(draw))).encode())
        found.append(json.loads(kept.read_text("utf-8")))
    shares = ", ".join(f"{one['right'] / one['n']:.3f}" for one in found)
    told = f"{INTENTS} intents drawn with each of the seeds 0 to {len(found) - 1}: {shares}; x {ROWS_PER_INTENT} rows"
    return _records(name, found, told=told)


def _found(data: Path, *case: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.tune_methods", str(data), "--child", *case]
    found: dict[str, float] = json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1]
    )
    print(f"{' '.join(case):16}", *(f"{key} {value:.4g}" for key, value in found.items()), flush=True)
    return found


def _records(
    name: str, found: Sequence[dict[str, float]], *, told: str, prefix: str = "banking77_10"
) -> Sequence[Record]:
    right, n = (sum(round(one[key]) for one in found) for key in ("right", "n"))
    facts: dict[str, Any] = {
        "model": "smollm2-135m",
        "data": f"banking77, {told}, greedy; general text: alpaca",
        "seed": SEED,
    }
    accuracy = Record(
        name=f"{prefix}_accuracy_{name}",
        value=right / n,
        unit="share",
        better="higher",
        n=n,
        ci=harness.wilson(right, n),
        **facts,
    )
    middle = {key: statistics.fmean if key == "accuracy_among_labels" else statistics.median for key, _, _ in FIGURES}
    others = [
        Record(
            name=f"{prefix}_{key}_{name}",
            value=middle[key](one[key] for one in found),
            unit=unit,
            better=better,
            n=len(found),
            **facts,
        )
        for key, unit, better in FIGURES
        if key in found[0]
    ]
    return [accuracy, *others]


def banking_rows(data: Path, *, which: str = BY_NAME) -> tuple[list[Row], list[Row]]:
    """Train and test rows of some intents; of each intent, the rows of lowest digest.

    Args:
        data: holds `banking77/`.
        which: ten intents, `BY_NAME` the first, or those that the file has first (`LISTED`), or those that a seed
            draws (its digits); or `ALL` of them, with fewer rows each.
    """
    folder = data / "banking77"
    listed: list[str] = json.loads((folder / "categories.json").read_text("utf-8"))
    intents = _chosen(listed, which)
    rows, tests = (ALL_ROWS_PER_INTENT, ALL_TESTS_PER_INTENT) if which == ALL else (ROWS_PER_INTENT, TESTS_PER_INTENT)
    with gzip.open(folder / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        learned = ranked(csv.DictReader(file))
    train = [row for intent in intents for row in learned[intent][:rows]]
    with (folder / "test.csv").open(encoding="utf-8", newline="") as file:
        asked = {key(row.messages[1].content) for row in train}
        fresh = ranked(row for row in csv.DictReader(file) if key(row["text"]) not in asked)
    return train, [row for intent in intents for row in fresh[intent][:tests]]


def _chosen(listed: Sequence[str], which: str) -> list[str]:
    by_name = sorted(listed)
    named = {ALL: by_name, LISTED: list(listed[:INTENTS]), BY_NAME: by_name[:INTENTS]}
    return named[which] if which in named else sorted(random.Random(int(which)).sample(by_name, INTENTS))


def ranked(records: Iterable[dict[str, str]]) -> dict[str, list[Row]]:
    """Intent -> its rows, the text of lowest digest first; intents by name."""
    by_intent: defaultdict[str, set[str]] = defaultdict(set)
    for record in records:
        by_intent[record["category"]].add(record["text"])

    def digest(text: str) -> bytes:
        return hashlib.sha256(text.encode()).digest()

    return {
        intent: [_banking_row(text, intent) for text in sorted(texts, key=digest)]
        for intent, texts in sorted(by_intent.items())
    }


def _banking_row(text: str, intent: str) -> Row:
    return Row(
        id=row_id([text, intent]),
        messages=(
            Message(role="system", content="Name the intent."),
            Message(role="user", content=text),
            Message(role="assistant", content=intent),
        ),
        label=intent,
        source=Source(file="banking77", line=1),
    )


def _child(data: Path, name: str, which: str) -> dict[str, float]:
    """Train by one method, and measure what came out."""
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        base = open_base("smollm2-135m", ctx=ctx)
        dataset = dataset_of(banking_rows(data, which=which), ctx=ctx)
        began = time.perf_counter()
        spec = tune.TuneSpec.parse(METHODS[name])
        tuned = tune.run(spec, tune.TuneInputs(dataset=dataset, checkpoint=base), ctx=ctx)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        inputs = evaluate.EvaluateInputs(checkpoint=tuned, dataset=dataset)
        accuracy = evaluate.run(evaluate.EvaluateSpec.parse(ASKED), inputs, ctx=ctx).figure("accuracy")
        classifies = isinstance(spec.objective, ClassifyObjective)
        return {
            "right": round(accuracy.value * accuracy.n),
            "n": accuracy.n,
            **({} if classifies else _written(tuned, base, inputs=inputs, data=data, ctx=ctx)),
            "trained_share": _trained_share(spec, base, dataset=dataset, ctx=ctx),
            "peak_mb": peak,
            "train_s": seconds,
        }


def _written(
    tuned: Checkpoint, base: Checkpoint, *, inputs: evaluate.EvaluateInputs, data: Path, ctx: RunContext
) -> dict[str, float]:
    """What is measured of a model that writes; one with a head does not."""
    among = evaluate.run(evaluate.EvaluateSpec.parse({**ASKED, "ask": {"answers": "constrained"}}), inputs, ctx=ctx)
    before, after = (_general_loss(each, data, ctx=ctx) for each in (base, tuned))
    return {
        "accuracy_among_labels": among.figure("accuracy").value,
        "perplexity_rise": math.exp(after - before),
    }


def dataset_of(rows: tuple[Sequence[Row], Sequence[Row]], *, ctx: RunContext) -> Dataset:
    """Commit train and test rows; labels are answers."""
    train, test = rows
    splits = {"train": train, "validation": [], "test": test}
    with ctx.job("data", Spec()) as job:
        for name, part in {**splits, "calibration": [], "dropped": []}.items():
            write_rows(job.path(f"{name}.jsonl"), part)
        return job.commit(
            Dataset(
                made_by=job.origin,
                rows=len(train) + len(test),
                splits={name: len(part) for name, part in splits.items()},
                dropped={},
                labels=tuple(sorted({row.label for row in train if row.label})),
                answer="label",
            )
        )


def _trained_share(spec: tune.TuneSpec, base: Checkpoint, *, dataset: Dataset, ctx: RunContext) -> float:
    """Trained weights per weight of the base."""
    card = models.codec_of(base, store=ctx.store).card
    method = build(spec.method, base, dataset=dataset, seed=SEED, card=card, store=ctx.store, logger=ctx.logger)
    model = models.load(base, store=ctx.store)
    method.apply(model, seed=SEED)
    trained: int = sum(value.numel() for value in trainable(model).values())
    return trained / base.parameters


def _general_loss(checkpoint: Checkpoint, data: Path, *, ctx: RunContext) -> float:
    """Mean loss of a labelled token of general instruction rows: what is lost of it was forgotten."""
    model, codec = models.load(checkpoint, store=ctx.store), models.codec_of(checkpoint, store=ctx.store)
    views = _general_views(data, codec)
    tokens: int = sum(labelled(view) for view in views)
    return _summed(model, views, pad=codec.pad_id) / tokens


def _summed(model: nn.Module, views: Sequence[View], *, pad: int) -> float:
    with torch.no_grad():
        losses = [float(summed_loss(model, collate([view], pad=pad, sharing=False)).item()) for view in views]
    return math.fsum(losses)


def _general_views(data: Path, codec: Codec) -> list[View]:
    with gzip.open(data / "llamafactory_demo" / "alpaca_en_demo.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)
    views: list[View] = []
    for number, row in enumerate(rows):
        question = "\n".join(part for part in (row["instruction"], row["input"]) if part)
        answer = Message(role="assistant", content=row["output"])
        source = Source(file="alpaca", line=number + 1)
        whole = Row(id=row_id([number]), messages=(Message(role="user", content=question), answer), source=source)
        views += [view for view in codec.views(whole) if len(view.ids) <= GENERAL_TOKENS]
        if len(views) >= GENERAL_ROWS:
            break
    return views[:GENERAL_ROWS]


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("error: which folder holds the public data sets?\nhint: python -m bench.tune_methods FOLDER")
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    if words[:1] == ["--child"]:
        print(json.dumps(_child(folder, *words[1:])))
    elif words[:1] == ["--all77"]:
        names = words[1:] or [name for name in METHODS if name not in TEN_ONLY]
        harness.run("tune", [partial(_measure_all, folder, name) for name in names])
    else:
        harness.run("tune", measures(folder, words or METHODS))
