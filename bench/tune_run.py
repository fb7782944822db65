"""One training job in a process of its own, ours: `python -m bench.tune_run JOB.json` prints what it did as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.model.codec import View
from seekloop.runtime.linear import quicken
from seekloop.runtime.quantised import Quantisation, quantise
from seekloop.runtime.train.batching import StepPlan
from seekloop.runtime.train.loop import LoopConfig, train
from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.runtime.train.methods.lora import Lora, read_config
from seekloop.runtime.train.state import Work
from seekloop.runtime.weights import open_model

__all__ = ["peak_mb", "plan_of"]


def plan_of(job: dict[str, Any]) -> StepPlan:
    """The steps of a job; its rows in the order of their steps are what the peers are given."""
    views = [
        [View(row=str(number), turn=0, ids=tuple(row["ids"]), labels=tuple(row["labels"]))]
        for number, row in enumerate(job["rows"])
    ]
    return StepPlan(rows=views, rows_per_step=job["rows_per_step"], epochs=1, max_steps=job["steps"], seed=job["seed"])


def peak_mb() -> float:
    """Most memory that this process ever held, in MiB."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    """Train, print."""
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    base = Path(job["base"])
    storage = Quantisation(**job["storage"]) if "storage" in job else None
    model = open_model(base)
    quicken(model)
    if storage is not None:
        quantise(model, storage, file=base / "model.safetensors")
    open_adapter(model, Path(job["adapter"]))
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=job["seed"]) as ctx:
        state = train(
            model.eval(),
            Lora(config=read_config(Path(job["adapter"])), storage=storage),
            plan=plan_of(job),
            config=LoopConfig(
                learning_rate=job["learning_rate"],
                schedule="constant",
                warmup=0.0,
                weight_decay=0.0,
                max_grad_norm=1.0,
                tokens_per_batch=1024,
                pad=job["pad"],
                save_every_s=3600.0,
            ),
            validation=[],
            work=Work(Path(folder) / "work"),
            ctx=ctx,
        )
    losses = [entry["loss"] for entry in state.history if "loss" in entry]
    print(json.dumps({"seconds": state.seconds, "losses": losses, "peak_mb": peak_mb(), "version": "main"}))


if __name__ == "__main__":
    main()
