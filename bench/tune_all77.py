"""All 77 intents of Banking77, all train rows: LoRA that writes the intent, and LoRA with a classification head.

`python -m bench.tune_all77 FOLDER [CASE…]` measures both or some; FOLDER holds `banking77/`. Killed, it goes on from
its last checkpoint, and from what was answered. `--share 0.05` before the cases takes one row in twenty, to try it
out: then nothing is written to `benchmarks/`.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import REPOSITORY, Record
from bench.tune_methods import ASKED, SEED, dataset_of, ranked
from seekloop import evaluate, tune
from seekloop.app.console import reporter
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Row
from seekloop.runtime.bases import open_base
from seekloop.system.files import write_whole
from seekloop.text.normalize import key

__all__ = ["CASES", "measures"]

FOLDER = REPOSITORY / "runs" / "tune_all77"
CASES: dict[str, dict[str, Any]] = {
    "lora": {"method": {"type": "lora"}, "epochs": 3, "rows_per_step": 16},
    "lora_head": {
        "method": {"type": "lora"},
        "objective": {"type": "classify"},
        "epochs": 4,
        "rows_per_step": 16,
    },
}
"""Name -> what its tune spec says; all else is at its default."""
TESTS_PER_INTENT = {"lora": 13, "lora_head": 40}
"""A label's probability wants as many answers read as there are labels, a head's one pass: that takes all test rows."""
_file = "banking77"


def measures(data: Path, names: Iterable[str] = CASES, *, share: float = 1.0) -> list[Callable[[], Sequence[Record]]]:
    """One measure a case."""
    return [partial(_measure, data, name, share=share) for name in names]


def _measure(data: Path, name: str, *, share: float) -> Sequence[Record]:
    folder = FOLDER / (name if share == 1.0 else f"{name}-{share}")
    folder.mkdir(parents=True, exist_ok=True)
    with RunContext.in_folder(folder, seed=SEED, progress=reporter()) as ctx:
        dataset = dataset_of(_rows(data, TESTS_PER_INTENT[name], share=share), ctx=ctx)
        tuned = _tuned(name, dataset, ctx=ctx, kept=folder / "tuned.json")
        began = time.perf_counter()
        spec = evaluate.EvaluateSpec.parse({**ASKED, "ask": {"answers": "free" if "head" in name else "constrained"}})
        report = evaluate.run(spec, evaluate.EvaluateInputs(checkpoint=tuned, dataset=dataset), ctx=ctx)
        accuracy = report.figure("accuracy")
        state = json.loads(ctx.store.path(tuned.id, "trainer_state.json").read_text("utf-8"))
    right = round(accuracy.value * accuracy.n)
    print(f"{name}: {dataset.splits['train']} rows, {state['log_history'][-1].get('tokens', 0):.0f} tokens trained on")
    print(f"{name}: evaluated in {time.perf_counter() - began:.0f} s")
    return [
        Record(
            name=f"banking77_77_accuracy_{name}",
            value=right / accuracy.n,
            unit="share",
            better="higher",
            n=accuracy.n,
            ci=harness.wilson(right, accuracy.n),
            model="smollm2-135m",
            data=f"banking77, 77 intents, {dataset.splits['train']} train rows, {CASES[name]['epochs']} epochs",
            seed=SEED,
        )
    ]


def _tuned(name: str, dataset: Dataset, *, ctx: RunContext, kept: Path) -> Checkpoint:
    """What was trained before, or what is trained now; an unfinished run goes on."""
    base = open_base("smollm2-135m", ctx=ctx)
    case = {"spec": CASES[name], "dataset": dataset.id}
    if kept.exists():
        found = json.loads(kept.read_text("utf-8"))
        if found["case"] == case:
            return ctx.store.open(found["id"], Checkpoint)
    began = time.perf_counter()
    tuned = tune.run(tune.TuneSpec.parse(CASES[name]), tune.TuneInputs(dataset=dataset, checkpoint=base), ctx=ctx)
    print(f"{name}: trained in {time.perf_counter() - began:.0f} s since it was started")
    write_whole(kept, json.dumps({"case": case, "id": tuned.id}).encode())
    return tuned


def _rows(data: Path, tests: int, *, share: float) -> tuple[list[Row], list[Row]]:
    """Train rows that repeat no test text, and so many test rows of each intent, those of lowest digest."""
    with (data / _file / "test.csv").open(encoding="utf-8", newline="") as file:
        asked = list(csv.DictReader(file))
    texts = {key(row["text"]) for row in asked}
    with gzip.open(data / _file / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        learned = [row for row in csv.DictReader(file) if key(row["text"]) not in texts]
    train = [row for rows in ranked(learned).values() for row in rows[: max(1, round(len(rows) * share))]]
    limit = max(1, round(tests * share))
    return train, [row for rows in ranked(asked).values() for row in rows[:limit]]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: which folder holds banking77?\nhint: python -m bench.tune_all77 FOLDER")
    data, names = Path(sys.argv[1]), sys.argv[2:]
    if names[:1] == ["--share"]:
        for measure in measures(data, names[2:] or CASES, share=float(names[1])):
            for record in measure():
                print(f"{record.name}: {record.value:.3f} (n = {record.n}, {record.ci})")
    else:
        harness.run("tune", measures(data, names or CASES))
