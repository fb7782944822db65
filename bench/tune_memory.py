"""Peak memory of LoRA and QLoRA, each in a process of its own: `make bench-tune_memory`.

The process opens the base, takes a few optimizer steps on rows of a fixed length and says how much memory it ever held.
"""

from __future__ import annotations

import functools
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import harness
from bench.harness import Record
from seekloop.runtime.quantised import Quantisation

__all__ = ["measures"]

MODEL, SEED, STEPS, ROWS, LENGTH, LABELLED = "smollm2-135m", 7, 2, 4, 256, 64
STORAGES: dict[str, Quantisation | None] = {
    "lora_peak_mb": None,
    "qlora_peak_mb": Quantisation(),
    "qlora_double_peak_mb": Quantisation(double=True),
    "qlora8_peak_mb": Quantisation(format="int8"),
}
DATA = f"{ROWS} rows of {LENGTH} tokens a step, one row at a time, {LABELLED} labelled"


def measures(_data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One process a storage."""
    return [functools.partial(_records, name) for name in STORAGES]


def _records(name: str) -> list[Record]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.tune_memory", name], check=True, capture_output=True, text=True, timeout=1800
    )
    value = json.loads(done.stdout.splitlines()[-1])
    data = f"{DATA}; weights {value['weights_mb']:.0f} MB"
    return [
        Record(name=name, value=value["peak_mb"], unit="MB", better="lower", n=STEPS, model=MODEL, data=data, seed=SEED)
    ]


def _child(held: Quantisation | None) -> None:
    """Train with the base held so, and print the peak."""
    import torch

    from seekloop.artifact.context import RunContext
    from seekloop.model.codec import View
    from seekloop.runtime import models
    from seekloop.runtime.bases import open_base
    from seekloop.runtime.train.batching import StepPlan
    from seekloop.runtime.train.loop import LoopConfig, train
    from seekloop.runtime.train.methods.lora import Lora, LoraConfig
    from seekloop.runtime.train.state import Work

    with tempfile.TemporaryDirectory() as scratch:
        ctx = RunContext.in_folder(Path(scratch), seed=SEED)
        base = open_base(MODEL, ctx=ctx)
        codec = models.codec_of(base, store=ctx.store)
        config = LoraConfig(rank=16, alpha=32.0, targets=codec.card.lora_targets)
        generator = torch.Generator().manual_seed(SEED)
        ids = torch.randint(0, 40_000, (ROWS, LENGTH), generator=generator).tolist()
        unlabelled = (-100,) * (LENGTH - LABELLED)
        views = [
            [View(row=str(n), turn=1, ids=tuple(row), labels=(*unlabelled, *row[-LABELLED:]))]
            for n, row in enumerate(ids)
        ]
        model = models.load(base, store=ctx.store, storage=held)
        train(
            model,
            Lora(config=config, storage=held),
            plan=StepPlan(rows=views, rows_per_step=ROWS, epochs=STEPS, max_steps=None, seed=SEED),
            config=LoopConfig(
                learning_rate=1e-3,
                schedule="constant",
                warmup=0.0,
                weight_decay=0.0,
                max_grad_norm=1.0,
                tokens_per_batch=LENGTH,
                pad=codec.pad_id,
            ),
            validation=(),
            work=Work(Path(scratch) / "work"),
            ctx=ctx,
        )
        tensors = [*model.parameters(), *model.buffers()]
        weights = sum(value.numel() * value.element_size() for value in tensors)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"peak_mb": peak / 1e6, "weights_mb": weights / 1e6}))


if __name__ == "__main__":
    if sys.argv[1:]:
        _child(STORAGES[sys.argv[1]])
    else:
        harness.run("tune_memory", measures(Path()))
