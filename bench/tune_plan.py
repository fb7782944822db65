"""How far plans are from what runs take: memory by arithmetic alone, time after the probe of four steps.

Each run is a process of its own, as a user's is. `python -m bench.tune_plan DATA [NAME]` measures one and prints it.
"""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.harness import REPOSITORY, Record
from seekloop import data as room
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.runtime.bases import open_base
from seekloop.runtime.models import codec_of
from seekloop.system.progress import Silent
from seekloop.tune import stage
from seekloop.tune.prepare import prepare
from seekloop.tune.probe import probe
from seekloop.tune.record import planned
from seekloop.tune.spec import TuneInputs, TuneSpec

__all__ = ["CASES", "Case", "measures"]

SEED = 7


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run."""

    base: str
    rows: int
    """Of LLaMA-Factory's English alpaca demo, mixed lengths."""
    spec: dict[str, Any] = field(default_factory=dict)
    longest: int = 900
    """Characters of the longest row: about 200 tokens of the real model; the tiny one's are nearly characters."""


CASES = {
    "lora": Case(base="smollm2-135m", rows=24, spec={"epochs": 1}),
    "lora-256-rows-16": Case(
        base="smollm2-135m",
        rows=32,
        spec={"epochs": 1, "rows_per_step": 16, "tokens_per_batch": 256, "method": {"rank": 64}},
    ),
    "full": Case(base="smollm2-135m", rows=24, spec={"epochs": 1, "method": "full"}),
    "full-2-rows": Case(base="smollm2-135m", rows=10, spec={"epochs": 1, "method": "full", "rows_per_step": 2}),
    "qlora": Case(base="smollm2-135m", rows=24, spec={"epochs": 1, "method": "qlora"}),
    "prefix": Case(base="smollm2-135m", rows=24, spec={"epochs": 1, "method": "prefix"}),
    "last_layers": Case(base="smollm2-135m", rows=16, spec={"epochs": 3, "method": "last_layers"}),
    "tiny-lora": Case(base="tiny", rows=100, longest=200, spec={"epochs": 2}),
    "tiny-full": Case(base="tiny", rows=100, longest=200, spec={"epochs": 2, "method": "full"}),
}
"""Runs of a minute or less on two idle cores."""


def measures(folder: Path) -> list[Callable[[], Sequence[Record]]]:
    """The largest error of each over the cases, with the cases' own figures on stdout."""
    return [lambda: _records(folder)]


def _records(folder: Path) -> list[Record]:
    found = {name: _in_a_process(folder, name) for name in CASES}
    for name, errors in found.items():
        print(f"{name}: {json.dumps(errors)}", flush=True)
    return [
        _record("plan_memory_error", [abs(errors["arithmetic_memory_error"]) for errors in found.values()]),
        _record("plan_memory_error_probe", [abs(errors["plan_memory_error"]) for errors in found.values()]),
        _record("plan_time_error", [abs(errors["plan_time_error"]) for errors in found.values()]),
    ]


def _record(name: str, errors: Sequence[float]) -> Record:
    return Record(
        name=name,
        value=max(errors),
        unit="share",
        better="lower",
        n=len(errors),
        model="smollm2-135m; tiny",
        data=f"alpaca_en_demo, largest of {', '.join(CASES)}; all: {', '.join(f'{one:.3f}' for one in errors)}",
        seed=SEED,
    )


def _in_a_process(folder: Path, name: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.tune_plan", str(folder), name]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    errors: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return errors


def _measure(folder: Path, case: Case) -> dict[str, float]:
    spec = TuneSpec.parse(case.spec)
    with (
        tempfile.TemporaryDirectory(prefix="seekloop-plan-") as place,
        RunContext.in_folder(Path(place), seed=SEED, progress=Silent()) as ctx,
    ):
        inputs = TuneInputs(dataset=_dataset(folder, case, ctx=ctx), checkpoint=open_base(case.base, ctx=ctx))
        before = _foretold(spec, inputs, ctx=ctx)
        probe(spec, inputs, ctx=ctx)
        cost = ctx.store.receipt(stage.run(spec, inputs, ctx=ctx).id).cost
    arithmetic = before / 2**20 / cost["train_peak_mib"] - 1
    kept = {name: value for name, value in cost.items() if name.startswith(("plan", "train_"))}
    return {**kept, "arithmetic_mib": round(before / 2**20, 1), "arithmetic_memory_error": round(arithmetic, 4)}


def _foretold(spec: TuneSpec, inputs: TuneInputs, *, ctx: RunContext) -> int:
    codec = codec_of(inputs.checkpoint, store=ctx.store)
    prepared = prepare(
        inputs.dataset,
        codec,
        spec=spec,
        context=8192,
        store=ctx.store,
        logger=logging.getLogger("bench"),
        progress=ctx.progress,
    )
    found = planned(spec, inputs, base=inputs.checkpoint, prepared=prepared, ctx=ctx)
    assert found is not None and found.how == "arithmetic"
    return found.memory


def _dataset(folder: Path, case: Case, *, ctx: RunContext) -> Dataset:
    with gzip.open(folder / "llamafactory_demo" / "alpaca_en_demo.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)
    path = ctx.root / "rows.json"
    short = [row for row in rows if len(row["instruction"] + row["input"] + row["output"]) < case.longest]
    step = len(short) // case.rows
    path.write_text(json.dumps(short[::step][: case.rows]), "utf-8")
    spec = room.DataSpec.parse({"sources": [{"path": str(path)}]})
    return room.run(spec, room.DataInputs(), ctx=ctx)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: which folder holds the data?\nhint: python -m bench.tune_plan FOLDER")
    if len(sys.argv) > 2:
        print(json.dumps(_measure(Path(sys.argv[1]), CASES[sys.argv[2]])))
    else:
        from bench import harness

        harness.run("tune", measures(Path(sys.argv[1])))
