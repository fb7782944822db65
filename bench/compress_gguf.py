"""GGUF files of a tuned model: how small, how near to their parent, and whether they say the same.

The model is SmolLM2-135M with LoRA on ten intents of Banking77. Each form is asked the test questions greedily, in
llama.cpp, beside the parent in torch: a prompt matches where all answer tokens are equal. The divergence from the
parent is that of the two engines' probabilities of the ten labels, which are all that the tuned model says. `imatrix`
is the same format with scales weighted by activations on train rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.foundation import scratch
from bench.harness import Record, Z, wilson
from bench.tune_methods import SEED, banking_rows
from seekloop import compress, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.rows import Row, write_rows
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import open_backend, open_scorer
from seekloop.runtime.models import codec_of
from seekloop.system.spec import Spec

__all__ = ["FORMS", "figures", "measures"]

FORMS: dict[str, dict[str, Any]] = {
    "q8_0": {"precision": "q8_0"},
    "q6_k": {"precision": "q6_k"},
    "q5_k_m": {"precision": "q5_k_m"},
    "q4_k_m": {"precision": "q4_k_m"},
    "q4_k_m_imatrix": {"precision": "q4_k_m", "importance": True},
    "iq4_nl": {"precision": "iq4_nl"},
    "iq4_nl_imatrix": {"precision": "iq4_nl", "importance": True},
    "q4_0": {"precision": "q4_0"},
}
"""Part of the figures' names -> method."""
CALIBRATION, SCORED, TOKENS = 64, 60, 32
"""Train rows to measure activations on, questions whose labels are scored, and new tokens at most."""


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """All figures are of one model, so they are one measure."""
    return [lambda: _measured(data)]


def _measured(data: Path) -> Sequence[Record]:
    with scratch() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        train, _ = banking_rows(data)
        dataset = calibrated(train, ctx=ctx)
        spec = tune.TuneSpec.parse({"method": {"type": "lora"}})
        inputs = tune.TuneInputs(dataset=dataset, checkpoint=open_base("smollm2-135m", ctx=ctx))
        return figures(tune.run(spec, inputs, ctx=ctx), dataset, banking_rows(data)[1], ctx=ctx)


def calibrated(train: list[Row], *, ctx: RunContext) -> Dataset:
    """A dataset of train rows, some of which are shown for calibration too."""
    shown = train[:: max(1, len(train) // CALIBRATION)][:CALIBRATION]
    with ctx.job("data", Spec()) as job:
        files = {"train": train, "validation": [], "test": [], "calibration": shown, "dropped": []}
        for name, rows in files.items():
            write_rows(job.path(f"{name}.jsonl"), rows)
        return job.commit(
            Dataset(
                made_by=job.origin,
                rows=len(train),
                splits={"train": len(train), "validation": 0, "test": 0},
                calibration=len(shown),
                dropped={},
                labels=tuple(sorted({row.label for row in train if row.label})),
                answer="label",
            )
        )


def figures(
    tuned: Checkpoint,
    dataset: Dataset,
    tests: Sequence[Row],
    *,
    ctx: RunContext,
    forms: dict[str, dict[str, Any]] = FORMS,
    scored: int = SCORED,
) -> list[Record]:
    """Greedy match, size and divergence of each form of `tuned`."""
    codec = codec_of(tuned, store=ctx.store)
    prompts = [codec.prompt_ids(row.messages[:-1]) for row in tests]
    ways = tuple(codec.answer_ids(answer) for answer in {row.label: row.messages[-1] for row in tests}.values())
    forks = [Fork(ids, ways) for ids in prompts[:scored]]
    said, likely = _said(tuned, prompts, ctx=ctx), _likely(tuned, forks, ctx=ctx)
    full = _made(tuned, dataset, {"type": "merge"}, ctx=ctx)
    records = []
    for name, method in forms.items():
        form = _made(tuned, dataset, {"type": "gguf", **method}, ctx=ctx)
        answers = _said(form, prompts, ctx=ctx)
        equal = sum(one == other for one, other in zip(answers, said, strict=True))
        apart = _divergence(likely, _likely(form, forks, ctx=ctx))
        facts: dict[str, Any] = {
            "model": f"smollm2-135m, lora, gguf {name}",
            "data": "banking77, first 10 intents by name, greedy",
            "seed": SEED,
        }
        kept = _bytes(form) / _bytes(full)
        records += [
            _share(_named("gguf_greedy_match", name), equal, len(prompts), **facts),
            Record(name=f"gguf_size_cut_{name}", value=1 - kept, unit="share", better="higher", n=1, **facts),
            Record(
                name=f"gguf_label_kl_{name}",
                value=float(np.mean(apart)),
                unit="nats",
                better="lower",
                n=len(apart),
                ci=_interval(apart),
                **facts,
            ),
        ]
        print(f"{name:16} match {equal}/{len(prompts)}, {1 - kept:.3f} smaller, KL {np.mean(apart):.2e}", flush=True)
    return records


def _named(figure: str, form: str) -> str:
    """The headline figure is that of eight bits."""
    return figure if form == "q8_0" else f"{figure}_{form}"


def _share(name: str, equal: int, n: int, **facts: Any) -> Record:
    return Record(name=name, value=equal / n, unit="share", better="higher", n=n, ci=wilson(equal, n), **facts)


def _made(tuned: Checkpoint, dataset: Dataset, method: dict[str, Any], *, ctx: RunContext) -> Checkpoint:
    spec = compress.CompressSpec.parse({"method": method})
    return compress.run(spec, compress.CompressInputs(checkpoint=tuned, dataset=dataset), ctx=ctx)


def _bytes(form: Checkpoint) -> int:
    return sum(entry.size for name, entry in form.files.items() if name.endswith((".safetensors", ".gguf")))


def _said(checkpoint: Checkpoint, prompts: Sequence[tuple[int, ...]], *, ctx: RunContext) -> list[tuple[int, ...]]:
    stops = codec_of(checkpoint, store=ctx.store).stop_ids
    with open_backend(checkpoint, store=ctx.store) as backend:
        answers = dict(backend.generate([Prompt(ids=ids, stop_ids=stops, max_tokens=TOKENS) for ids in prompts]))
    return [answers[index].ids for index in range(len(prompts))]


def _likely(checkpoint: Checkpoint, forks: Sequence[Fork], *, ctx: RunContext) -> list[list[float]]:
    with open_scorer(checkpoint, store=ctx.store) as scorer:
        found = dict(scorer.score(forks))
    return [[way.logprob for way in found[index]] for index in range(len(forks))]


def _divergence(parent: Sequence[Sequence[float]], form: Sequence[Sequence[float]]) -> list[float]:
    """Of the probabilities of the labels, those of all together being one, question by question."""
    found = []
    for before, after in zip(parent, form, strict=True):
        p, q = (np.array(row) - _total(row) for row in (before, after))
        found.append(float(np.sum(np.exp(p) * (p - q))))
    return found


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean, by its standard error."""
    mean, margin = float(np.mean(values)), Z * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean - margin, mean + margin


def _total(row: Sequence[float]) -> float:
    top = max(row)
    return top + math.log(sum(math.exp(value - top) for value in row))
