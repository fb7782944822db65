"""Where the speed of LoRA comes from: one change a rung, from the plain loop to ours, on the rows of `tune_speed`.

The first rung is what a trainer built on transformers and PEFT does: every row of a step padded to the longest, all
positions through the head, activations computed twice. Each rung runs in a process of its own, all in turn, three
times; the loss of every rung is that of the first.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from bench.foundation import scratch
from bench.harness import Record, median_record
from bench.tune_run import plan_of
from bench.tune_speed import BASE, SEED, Job, apart, train
from seekloop.model.codec import View
from seekloop.runtime.linear import quicken
from seekloop.runtime.train.batching import IGNORED, collate, labelled
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.runtime.train.methods.method import trainable
from seekloop.runtime.train.objectives.next_token import NextToken
from seekloop.runtime.train.workers import Workers
from seekloop.runtime.weights import open_model

__all__ = ["RUNGS", "Rung", "measures"]

STEPS, ROUNDS, BUDGET, SAME = 3, 3, 1024, 1e-3


@dataclass(frozen=True, kw_only=True)
class Rung:
    """What a loop does."""

    name: str
    checkpointing: bool = False
    labelled_only: bool = True
    cut: bool = True
    """Micro-batches of similar lengths; else the whole step padded to its longest row."""
    onednn: bool = True
    one_node: bool = True
    """Our LoRA layer; else PEFT's."""
    workers: bool = True
    """One thread a worker; else all threads in each operation."""
    sharing: bool = True


_plain = {"onednn": False, "one_node": False, "workers": False, "sharing": False}
RUNGS = (
    Rung(name="plain", checkpointing=True, labelled_only=False, cut=False, **_plain),
    Rung(name="no_checkpointing", labelled_only=False, cut=False, **_plain),
    Rung(name="labelled_only", cut=False, **_plain),
    Rung(name="length_buckets", **_plain),
    Rung(name="onednn", **{**_plain, "onednn": True}),
    Rung(name="lora_one_node", workers=False, sharing=False),
    Rung(name="worker_a_core", sharing=False),
    Rung(name="shared_prefixes"),
)


def ladder(data: Path) -> Sequence[Record]:
    """Tokens a second of every rung."""
    found: dict[str, list[dict[str, Any]]] = {rung.name: [] for rung in RUNGS}
    with scratch() as folder:
        job = Job.of(data, folder)
        steps = [plan_of(job.value).views(step) for step in range(STEPS)]
        tokens = sum(len(view.ids) for step in steps for view in step)
        for _ in range(ROUNDS):
            for rung in RUNGS:
                found[rung.name].append(train([sys.executable, "-m", "bench.tune_ladder"], job.path, rung.name))
    first = found[RUNGS[0].name][0]
    for name, runs in found.items():
        most = max(apart(run, first) for run in runs)
        if most > SAME:
            raise RuntimeError(f"the losses of {name} are {most:.1e} away from those of the first rung")
    rates = {name: [tokens / run["seconds"] for run in runs] for name, runs in found.items()}
    return [
        median_record(
            f"ladder_{number}_{name}",
            rate,
            unit="tokens/s",
            better="higher",
            model=BASE,
            data=f"the first {STEPS} steps of tune_speed",
            seed=SEED,
        )
        for number, (name, rate) in enumerate(rates.items())
    ]


def climb(job: dict[str, Any], rung: Rung) -> dict[str, Any]:
    """Train the first steps of `job` as `rung` does; returns seconds and losses."""
    threads = job["threads"]
    torch.set_num_threads(threads)
    model = _model(job, rung)
    parameters = trainable(model)
    optimizer = torch.optim.AdamW(parameters.values(), lr=job["learning_rate"], weight_decay=0.0, fused=True)
    plan = plan_of(job)
    count = threads if rung.workers else 1
    losses = []
    with Workers.open(
        model, NextToken(), count=count, threads=threads // count, budget=BUDGET, pad=job["pad"], sharing=rung.sharing
    ) as workers:
        start = time.perf_counter()
        for step in range(STEPS):
            views = plan.views(step)
            total = sum(labelled(view) for view in views)
            if rung.labelled_only and rung.cut:
                whole = workers.whole(views)
                values = list(parameters.values())
                losses.append(workers.learn(views, values, whole=whole, check=lambda _value, _batch: None).loss)
            else:
                losses.append(_whole(model, views, rung=rung, total=total, pad=job["pad"]))
            nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "losses": losses}


def _model(job: dict[str, Any], rung: Rung) -> nn.Module:
    model = open_model(Path(job["base"]))
    if rung.one_node:
        quicken(model)
        open_adapter(model, Path(job["adapter"]))
        for name, value in model.named_parameters():
            value.requires_grad_("lora_" in name)
        return model
    adapted = PeftModel.from_pretrained(model, job["adapter"], is_trainable=True).base_model.model
    if rung.onednn:
        quicken(adapted)
    if rung.checkpointing:
        adapted.gradient_checkpointing_enable({"use_reentrant": False})
        adapted.enable_input_require_grads()
        adapted.train()
    return adapted


def _whole(model: nn.Module, views: Sequence[View], *, rung: Rung, total: int, pad: int) -> float:
    """One step in one piece."""
    batch = collate(views, pad=pad, sharing=False)
    if rung.labelled_only:
        loss = summed_loss(model, batch) / total
    else:
        lengths = torch.tensor([len(view.ids) for view in views]).unsqueeze(1)
        mask = (torch.arange(batch.ids.shape[1]) < lengths).long()
        logits = model(input_ids=batch.ids, attention_mask=mask, use_cache=False).logits[:, :-1]
        wanted = batch.labels[:, 1:]
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        loss = loss / total
    loss.backward()
    return float(loss.item())


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The measures of this topic."""
    return [lambda: ladder(data)]


if __name__ == "__main__":
    asked = {rung.name: rung for rung in RUNGS}[sys.argv[2]]
    print(json.dumps(climb(json.loads(Path(sys.argv[1]).read_text("utf-8")), asked)))
