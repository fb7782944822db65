"""What a run will do, before it runs: every step with the settings that the dials filled in, its memory and its time.

Each estimate has its formula in `model/arithmetic.py`; what cannot be known yet is left open rather than guessed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import read_rows
from seekloop.artifact.store import Store
from seekloop.loop.project import ProjectSpec
from seekloop.model import families
from seekloop.model.arithmetic import adapter_parameters, parameters, train_memory_bytes, train_seconds
from seekloop.model.codec import Codec
from seekloop.tune.method_spec import LoraMethod
from seekloop.tune.spec import TuneSpec

__all__ = ["PlanStep", "plan"]


class PlanStep(BaseModel):
    """One step of a run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    settings: str
    """The keys that matter, as `key value`."""
    memory_mib: float | None = None
    """Peak memory; None: not known before the data is read and the base is here."""
    seconds: float | None = None
    """Wall time on this machine; None: as for memory."""


def plan(spec: ProjectSpec, *, ctx: RunContext) -> list[PlanStep]:
    """The steps of a first round under `spec`.

    Memory and time of tuning are given once the project's data stage has run and the base model is in the cache: then
    the tokens are counted with the model's own codec, and the machine's speed is measured for a moment.
    """
    base, dataset = _base(spec.base, ctx), _dataset(ctx)
    sources = ", ".join(Path(source.shown).name for source in spec.data.sources) or "none yet: set data.sources"
    split = spec.data.split
    steps = [
        PlanStep(
            name="data",
            settings=f"{sources}; validation {split.validation}, test {split.test}, seed {spec.seed}",
        ),
        _tune_step(spec.tune, base, dataset=dataset, ctx=ctx),
        PlanStep(name="evaluate", settings=f"base and tuned on the test split; engine {spec.evaluate.engine}"),
    ]
    for name, form in spec.compress.items():
        method = ", ".join(f"{key} {value}" for key, value in form.method.model_dump(exclude_none=True).items())
        steps.append(PlanStep(name=f"compress {name}", settings=f"{method}; evaluated again"))
    chosen = spec.release_form or "tuned"
    return [*steps, PlanStep(name="release", settings=f"{chosen} -> {spec.alias}; max_tokens {spec.serve.max_tokens}")]


def _tune_step(tune: TuneSpec, base: Checkpoint | None, *, dataset: Dataset | None, ctx: RunContext) -> PlanStep:
    method = ", ".join(f"{key} {value}" for key, value in tune.method.model_dump(exclude_none=True).items())
    rate = tune.learning_rate if tune.learning_rate is not None else "by method"
    settings = f"{method}; epochs {tune.epochs}, learning_rate {rate}, rows_per_step {tune.rows_per_step}"
    if base is None or dataset is None:
        return PlanStep(name="tune", settings=settings)
    config = json.loads(ctx.store.path(base.id, "config.json").read_bytes())
    counts = _count(dataset, Codec.open(ctx.store.folder(base.id)), store=ctx.store)
    trainable = _trainable(tune, base, config=config)
    tokens = min(tune.tokens_per_batch, counts["tokens"])
    memory = train_memory_bytes(
        config, trainable=trainable, tokens=tokens, labelled=round(tokens * counts["labelled"] / counts["tokens"])
    )
    seconds = train_seconds(
        config,
        trainable=trainable,
        tokens=counts["tokens"] * tune.epochs,
        labelled=counts["labelled"] * tune.epochs,
        row_tokens=counts["tokens"] / counts["views"],
        flops=_flops(),
    )
    return PlanStep(name="tune", settings=settings, memory_mib=memory / 2**20, seconds=seconds)


def _trainable(tune: TuneSpec, base: Checkpoint, *, config: Mapping[str, Any]) -> int:
    if not isinstance(tune.method, LoraMethod):
        return parameters(config)
    targets = tune.method.targets or families.card(base.family).lora_targets
    return adapter_parameters(config, rank=tune.method.rank, targets=targets)


def _count(dataset: Dataset, codec: Codec, *, store: Store) -> dict[str, int]:
    """Tokens, labelled tokens and training views of the train split."""
    counts = {"tokens": 0, "labelled": 0, "views": 0}
    for row in read_rows(store.path(dataset.id, "train.jsonl")):
        for view in codec.views(row):
            counts["tokens"] += len(view.ids)
            counts["labelled"] += sum(label >= 0 for label in view.labels)
            counts["views"] += 1
    return counts


def _base(source: str, ctx: RunContext) -> Checkpoint | None:
    """The newest base checkpoint of that source which this project has used."""
    scheme, colon, place = source.partition(":")
    # Local sources are recorded without their folder: it is no part of what the model is.
    label = f"{scheme}:{Path(place).name}" if colon and scheme in ("path", "gguf") else source
    for record in reversed(ctx.ledger.artifacts("checkpoint")):
        checkpoint = ctx.store.open(record.id, Checkpoint)
        if checkpoint.source == label:
            return checkpoint
    return None


def _dataset(ctx: RunContext) -> Dataset | None:
    records = ctx.ledger.artifacts("dataset")
    return ctx.store.open(records[-1].id, Dataset) if records else None


def _flops() -> float:
    """Operations a second of a float32 matrix product on this machine now: the median of nine short ones."""
    left, right = np.ones((512, 1024), np.float32), np.ones((1024, 1024), np.float32)
    times = []
    for _ in range(9):
        started = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - started)
    return 2 * 512 * 1024 * 1024 / sorted(times)[4]
