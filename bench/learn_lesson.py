"""Two new intents are learnt from production: what is gained, and what is forgotten, by replay and by strategy.

`python -m bench.learn_lesson FOLDER` measures all ways on eight intents of Banking77 and two new ones; FOLDER holds
`banking77/`. `--base tiny` tries it out on the random model and writes nothing. Killed, it goes on where it stopped.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import REPOSITORY, Record
from seekloop.app.console import reporter
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Figure, Report
from seekloop.data import stage as data_stage
from seekloop.data.spec import DataInputs, DataSpec
from seekloop.evaluate import stage as evaluate_stage
from seekloop.evaluate.compare import compare
from seekloop.evaluate.forgetting import forgetting
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.loop.incremental_spec import IncrementalSpec
from seekloop.loop.steps import Steps
from seekloop.runtime.bases import open_base
from seekloop.tune import stage as tune_stage
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["WAYS", "measures"]

SEED = 7
OLD, NEW = 8, 2
"""Intents, in the order of their names."""
ROWS, TESTS = 24, 20
"""Of each intent: what is trained, or corrected in production, and what is held out."""
FIRST = {"method": {"type": "lora"}, "epochs": 3, "rows_per_step": 4, "learning_rate": 1e-3}
ASKED = {"max_tokens": 16}
COMPOSED = {"compose": {"system": "Name the intent.", "answer": "label"}}
WAYS: dict[str, dict[str, Any]] = {
    "no_replay": {"data": {"replay": None}},
    "reservoir": {"data": {"replay": {"share": 0.3, "method": "reservoir"}}},
    "by_class": {"data": {"replay": {"share": 0.3}}},
    "by_class_ratio": {"data": {"replay": {"ratio": 0.3}}},
    "by_class_all": {"data": {"replay": {"share": 1.0}}},
    "by_class_5e6": {"tune": {"learning_rate": 5e-6, "epochs": 1}},
    "by_class_1e4": {"tune": {"learning_rate": 1e-4}},
    "by_class_1e3": {"tune": {"learning_rate": 1e-3}},
    "retrain": {"data": {"replay": {"share": 1.0}}, "strategies": ["retrain"]},
}
"""Name -> what `incremental` says; all else is at its default."""


def measures(
    data: Path, names: Iterable[str] = WAYS, *, base: str = "smollm2-135m"
) -> list[Callable[[], Sequence[Record]]]:
    """One measure a way."""
    return [partial(_measure, data, name, base=base) for name in names]


def _measure(data: Path, name: str, *, base: str) -> Sequence[Record]:
    folder = REPOSITORY / "runs" / f"learn_lesson-{base}"
    _write_rows(data, folder)
    with RunContext.in_folder(folder, seed=SEED, progress=reporter()) as ctx:
        steps = Steps(ctx, name)
        start = steps.made("base", lambda: open_base(base, ctx=ctx))
        first = _data("first", steps, spec={}, parent=None)
        parent = _tuned("first", steps, spec=TuneSpec.parse(FIRST), dataset=first, start=start)
        told = IncrementalSpec.parse(WAYS[name])
        lesson = _data("lesson", steps, spec=told.data.model_dump(mode="json"), parent=first)
        if told.strategies == ("retrain",):
            candidate = _tuned(name, steps, spec=TuneSpec.parse(FIRST), dataset=lesson, start=start)
        else:
            spec = told.tune.model_copy(update={"rows_per_step": FIRST["rows_per_step"]})
            candidate = _tuned(name, steps, spec=spec, dataset=lesson, start=parent)
        before, after = (_asked(one, first, steps=steps) for one in (parent, candidate))
        lost = forgetting(before, after, store=ctx.store, seed=SEED)
        old, new = (_asked(one, lesson, steps=steps) for one in (parent, candidate))
        (gain,) = [one for one in compare(new, old, store=ctx.store, seed=SEED) if one.figure == "accuracy"]
        seconds = ctx.store.receipt(candidate.id).cost["train_s"]
    gained = Figure(name="gain_points", value=100 * gain.difference, n=gain.n, ci=(100 * gain.ci[0], 100 * gain.ci[1]))
    return [
        _record(f"lesson_forgetting_points_{name}", lost, base=base, dataset=lesson, better="lower"),
        _record(f"lesson_gain_points_{name}", gained, base=base, dataset=lesson, better="higher"),
        _record(f"lesson_train_s_{name}", Figure(name="s", value=seconds, n=1, unit="s"), base=base, dataset=lesson),
    ]


def _data(name: str, steps: Steps, *, spec: dict[str, Any], parent: Dataset | None) -> Dataset:
    sources = [{"path": f"{name}-{split}.jsonl", "split": split} for split in ("train", "test")]
    told = DataSpec.parse({**spec, **COMPOSED, "sources": sources, "split": {"validation": 0.0, "test": 0.0}})
    return steps.do(f"data {name}", data_stage.run, spec=told, inputs=DataInputs(parent=parent))


def _tuned(name: str, steps: Steps, *, spec: TuneSpec, dataset: Dataset, start: Checkpoint) -> Checkpoint:
    return steps.do(f"tune {name}", tune_stage.run, spec=spec, inputs=TuneInputs(dataset=dataset, checkpoint=start))


def _asked(checkpoint: Checkpoint, dataset: Dataset, *, steps: Steps) -> Report:
    spec, inputs = EvaluateSpec.parse(ASKED), EvaluateInputs(checkpoint=checkpoint, dataset=dataset)
    return steps.do("evaluate", evaluate_stage.run, spec=spec, inputs=inputs)


def _record(name: str, figure: Figure, *, base: str, dataset: Dataset, better: Any = "lower") -> Record:
    replayed = f"{dataset.splits['train']} rows trained, {dataset.replay} of them replayed"
    return Record(
        name=name,
        value=figure.value,
        unit="s" if figure.unit == "s" else "points",
        better=better,
        n=figure.n,
        ci=figure.ci,
        model=base,
        data=f"banking77, {NEW} new intents after {OLD}, {ROWS} rows each; {replayed}",
        seed=SEED,
    )


def _write_rows(data: Path, folder: Path) -> None:
    """Four files: train and test rows of the old intents, and of the new ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", ROWS), ("test", TESTS)):
        lowest = _lowest(data / "banking77", split, count=count)
        for name, intents in (("first", sorted(lowest)[:OLD]), ("lesson", sorted(lowest)[OLD : OLD + NEW])):
            rows = [{"text": text, "label": intent} for intent in intents for text in lowest[intent]]
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{name}-{split}.jsonl").write_text(lines, "utf-8")


def _lowest(folder: Path, split: str, *, count: int) -> dict[str, list[str]]:
    """Intent -> the texts of lowest digest."""
    path = folder / ("train.csv.gz" if split == "train" else "test.csv")
    with gzip.open(path, "rt", encoding="utf-8") if split == "train" else path.open(encoding="utf-8") as file:
        by_intent: defaultdict[str, set[str]] = defaultdict(set)
        for row in csv.DictReader(file):
            by_intent[row["category"]].add(row["text"])
    return {
        intent: sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())[:count]
        for intent, texts in by_intent.items()
    }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: which folder holds Banking77?\nhint: python -m bench.learn_lesson FOLDER-ABOVE-IT [WAY…]")
    asked = [one for one in sys.argv[2:] if one not in ("--base", "tiny")] or list(WAYS)
    if "--base" in sys.argv:
        for measure in measures(Path(sys.argv[1]), asked, base="tiny"):
            for record in measure():
                print(record.name, record.value, record.ci)
    else:
        harness.run("learn", measures(Path(sys.argv[1]), asked))
