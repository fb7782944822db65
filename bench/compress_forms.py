"""Eight and four bits on a tuned model: how much smaller, how much faster than transformers, and at what loss.

The model is SmolLM2-135M with LoRA on ten intents of Banking77, the parent of both forms. Size is that of the weights
beside the fp32 safetensors of the merged model. Decoding is timed in one run and in turn, prompt by prompt: our engine
and transformers' `generate` in fp32, batch 1, greedy, the same ids and as many new tokens on the same cores. The first
token (reading the prompt) is left out on both sides. Our engine takes the threads that it takes by itself; transformers
is given one thread and all of them, and the faster counts. Accuracy is paired, row by row, with the parent's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

from bench.foundation import scratch
from bench.harness import Peer, Record, median_interval
from bench.tune_methods import SEED, banking_rows, dataset_of
from seekloop import compress, evaluate, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.evaluate.compare import compare
from seekloop.evaluate.questions import prompts, questions
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend import Backend, Prompt
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.models import codec_of
from seekloop.system import settings

__all__ = ["FORMS", "figures", "measures"]

FORMS = {"int8": {"type": "gguf", "precision": "q8_0"}, "int4": {"type": "gguf", "precision": "q4_0"}}
"""Name of the figures -> method. `q4_0` keeps its embedding in `q8_0`; the base lies on the grid of `q4_1`."""
TIMED, TOKENS = 24, 48
"""Prompts, and new tokens after the first."""
ASKED = evaluate.EvaluateSpec(max_tokens=32)


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """All figures are of one model, so they are one measure."""
    return [lambda: _measured(data)]


def _measured(data: Path) -> Sequence[Record]:
    with scratch() as folder, RunContext.in_folder(Path(folder), seed=SEED) as ctx:
        base = open_base("smollm2-135m", ctx=ctx)
        dataset = dataset_of(banking_rows(data), ctx=ctx)
        spec = tune.TuneSpec.parse({"method": {"type": "lora"}})
        tuned = tune.run(spec, tune.TuneInputs(dataset=dataset, checkpoint=base), ctx=ctx)
        return figures(tuned, dataset, ctx=ctx)


def figures(
    tuned: Checkpoint, dataset: Dataset, *, ctx: RunContext, timed: int = TIMED, asked: evaluate.EvaluateSpec = ASKED
) -> list[Record]:
    """Size, speed and loss of each form of `tuned`, on the dataset's test rows."""
    merged, *forms = (_made(tuned, method, ctx=ctx) for method in ({"type": "merge"}, *FORMS.values()))
    before = evaluate.run(asked, evaluate.EvaluateInputs(checkpoint=merged, dataset=dataset), ctx=ctx)
    peer, speeds = _decoded(merged, forms, _prompts(merged, dataset, count=timed, ctx=ctx), ctx=ctx)
    records = []
    for name, form, speed in zip(FORMS, forms, speeds, strict=True):
        facts: dict[str, Any] = {
            "model": f"smollm2-135m, lora, {form.form} {form.precision}",
            "data": "banking77, first 10 intents by name, greedy",
            "seed": SEED,
        }
        report = evaluate.run(
            asked, evaluate.EvaluateInputs(checkpoint=form, dataset=dataset, baseline=before), ctx=ctx
        )
        records += [
            _size(name, form, merged, facts=facts),
            _speed(name, peer=peer, speed=speed, facts=facts),
            _loss(name, report, before, ctx=ctx, facts=facts),
        ]
    return records


def _made(tuned: Checkpoint, method: dict[str, str], *, ctx: RunContext) -> Checkpoint:
    spec = compress.CompressSpec.parse({"method": method})
    return compress.run(spec, compress.CompressInputs(checkpoint=tuned), ctx=ctx)


def _size(name: str, form: Checkpoint, merged: Checkpoint, *, facts: dict[str, Any]) -> Record:
    kept = _bytes(form) / _bytes(merged)
    return Record(name=f"{name}_size_cut", value=1 - kept, unit="share", better="higher", n=1, **facts)


def _bytes(form: Checkpoint) -> int:
    return sum(entry.size for name, entry in form.files.items() if name.endswith((".safetensors", ".gguf")))


def _speed(name: str, *, peer: Sequence[float], speed: Sequence[float], facts: dict[str, Any]) -> Record:
    """How many times as fast, prompt by prompt."""
    ratios = [ours / theirs for ours, theirs in zip(speed, peer, strict=True)]
    print(f"{name}: {statistics.median(speed):.1f} tokens/s, transformers {statistics.median(peer):.1f}", flush=True)
    return Record(
        name=f"{name}_decode_speedup",
        value=statistics.median(ratios),
        unit="x",
        better="higher",
        n=len(ratios),
        ci=median_interval(ratios),
        peer=Peer(name="transformers generate fp32, batch 1", version=transformers.__version__, value=1.0),
        **facts,
    )


def _loss(name: str, report: Report, before: Report, *, ctx: RunContext, facts: dict[str, Any]) -> Record:
    found = {one.figure: one for one in compare(report, before, store=ctx.store, seed=ctx.seed)}["accuracy"]
    print(f"{name}: accuracy {report.figure('accuracy').value:.3f}, parent {before.figure('accuracy').value:.3f}")
    return Record(
        name=f"{name}_accuracy_drop",
        value=0.0 - found.difference,
        unit="share",
        better="lower",
        n=found.n,
        ci=(-found.ci[1], -found.ci[0]),
        **facts,
    )


def _prompts(merged: Checkpoint, dataset: Dataset, *, count: int, ctx: RunContext) -> list[Prompt]:
    """Test questions whose answers go on for as many tokens, whatever they say."""
    rows = questions(dataset, ASKED, store=ctx.store)
    step = max(1, len(rows) // count)
    made = prompts(rows[::step][:count], ASKED, codec=codec_of(merged, store=ctx.store), seed=0)
    return [Prompt(ids=one.ids, stop_ids=frozenset(), max_tokens=TOKENS + 1) for one in made]


def _decoded(
    merged: Checkpoint, forms: Sequence[Checkpoint], asked: Sequence[Prompt], *, ctx: RunContext
) -> tuple[list[float], list[list[float]]]:
    """Tokens a second after the first, by prompt: the peer's, and those of each form."""
    model = AutoModelForCausalLM.from_pretrained(ctx.store.folder(merged.id), dtype=torch.float32).eval()
    peer: list[float] = []
    ours: list[list[float]] = [[] for _ in forms]
    with ExitStack() as running:
        engines = [running.enter_context(_endless(form, ctx=ctx)) for form in forms]
        for number, prompt in enumerate((asked[0], *asked)):
            theirs = max(_by_transformers(model, prompt, threads=threads) for threads in (1, settings.threads()))
            speeds = [_by(engine, prompt) for engine in engines]
            if number:  # the first round warms both up
                peer.append(theirs)
                for kept, speed in zip(ours, speeds, strict=True):
                    kept.append(speed)
    return peer, ours


def _endless(form: Checkpoint, *, ctx: RunContext) -> Blocking:
    """The engine that `open_backend` opens for one stream, but told of no stop ids: it would begin anew behind each."""
    engine = LlamaCpp.start(
        ctx.store.path(form.id, "model.gguf"), stop_ids=(), threads=max(1, settings.threads() - 1), streams=1
    )
    return Blocking(engine, streams=1)


def _by(engine: Backend, prompt: Prompt) -> float:
    ((_, answer),) = engine.generate([prompt])
    return (len(answer.ids) - 1) / (answer.total_s - answer.first_token_s)


class _Clock:
    """What transformers calls a streamer: notes when each token comes, the prompt being the first."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def put(self, _: Any) -> None:
        """A token, or the prompt."""
        self.at.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is held back."""


def _by_transformers(model: Any, prompt: Prompt, *, threads: int) -> float:
    torch.set_num_threads(threads)
    ids, clock = torch.tensor([prompt.ids]), _Clock()
    with torch.inference_mode():
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=prompt.max_tokens,
            min_new_tokens=prompt.max_tokens,
            do_sample=False,
            pad_token_id=0,
            streamer=clock,
        )
    _, first, *rest = clock.at
    return len(rest) / (rest[-1] - first)
