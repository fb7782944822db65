"""What 4-bit and int8 forms lose: KL divergence from the parent on rows that calibration did not see, and size."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench import harness
from bench.harness import Record
from bench.tune_methods import INTENTS, ROWS_PER_INTENT, SEED, banking_rows
from seekloop import compress, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import read_rows, write_rows
from seekloop.runtime import models
from seekloop.runtime.bases import open_base
from seekloop.system.spec import Spec

__all__ = ["FORMS", "dataset_of", "divergences", "measures"]

FORMS: dict[str, dict[str, Any]] = {
    "w8a16": {"type": "w8a16"},
    "w8a8": {"type": "w8a8"},
    "w8a8_smooth": {"type": "w8a8", "smooth": 0.5},
    "bitsandbytes": {"type": "bitsandbytes"},
    "w4a16_gptq": {"type": "w4a16"},
    "w4a16_awq": {"type": "w4a16", "rounding": "awq"},
    "w4a16_nearest": {"type": "w4a16", "rounding": "nearest"},
}
CALIBRATION, TESTS = 128, 60


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure for all forms: they share a parent, which is tuned once."""
    return [partial(_measure, data)]


def _measure(data: Path) -> Sequence[Record]:
    with tempfile.TemporaryDirectory() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        dataset = dataset_of(data, ctx)
        inputs = tune.TuneInputs(dataset=dataset, checkpoint=open_base("smollm2-135m", ctx=ctx))
        parent = tune.run(tune.TuneSpec.parse({"method": {"type": "lora"}}), inputs, ctx=ctx)
        return divergences(parent, dataset, FORMS, ctx=ctx)


def dataset_of(data: Path, ctx: RunContext) -> Dataset:
    """Commit ten intents of Banking77, the first train rows for calibration."""
    train, test = banking_rows(data)
    with ctx.job("data", Spec()) as job:
        parts = {"train": train, "validation": [], "test": test, "calibration": train[:CALIBRATION], "dropped": []}
        for name, part in parts.items():
            write_rows(job.path(f"{name}.jsonl"), part)
        return job.commit(
            Dataset(
                made_by=job.origin,
                rows=len(train) + len(test),
                splits={"train": len(train), "validation": 0, "test": len(test)},
                dropped={},
                calibration=CALIBRATION,
                labels=tuple(sorted({row.label for row in train if row.label})),
                answer="label",
            )
        )


def divergences(
    parent: Checkpoint, dataset: Dataset, forms: dict[str, dict[str, Any]], *, ctx: RunContext, tests: int = TESTS
) -> list[Record]:
    """Mean KL(parent, form) of a token over the first test rows, and how much smaller the form is than fp32."""
    codec = models.codec_of(parent, store=ctx.store)
    rows = list(read_rows(ctx.store.path(dataset.id, "test.jsonl")))[:tests]
    ids = [torch.tensor([codec.views(row)[0].ids]) for row in rows]
    wanted = _log_probabilities(parent, ids, ctx)
    whole = 4 * ctx.store.open(parent.parents["base"], Checkpoint).parameters
    facts: dict[str, Any] = {
        "model": "smollm2-135m, LoRA",
        "data": f"banking77, first {INTENTS} intents by name x {ROWS_PER_INTENT} rows; calibrated on {CALIBRATION}",
        "seed": SEED,
    }
    records = []
    for name, method in forms.items():
        spec = compress.CompressSpec.parse({"method": method})
        made = compress.run(spec, compress.CompressInputs(checkpoint=parent, dataset=dataset), ctx=ctx)
        pairs = zip(wanted, _log_probabilities(made, ids, ctx), strict=True)
        values = [float((one.exp() * (one - other)).sum(-1).mean()) for one, other in pairs]
        kl, share = sum(values) / len(values), made.size / whole
        records += [
            Record(name=f"{name}_kl", value=kl, unit="nats/token", better="lower", n=len(values), **facts),
            Record(name=f"{name}_size_cut", value=1 - share, unit="share", better="higher", n=1, **facts),
        ]
    return records


def _log_probabilities(checkpoint: Checkpoint, ids: Sequence[Tensor], ctx: RunContext) -> list[Tensor]:
    """[length, vocabulary] of each row."""
    model = models.load(checkpoint, store=ctx.store)
    with torch.inference_mode():
        return [model(input_ids=row).logits[0].log_softmax(-1) for row in ids]


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("error: which folder holds the public data sets?\nhint: python -m bench.compress_packed FOLDER")
    harness.run("compress", measures(Path(sys.argv[1])))
