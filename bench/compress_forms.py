"""Eight and four bits on a tuned model: how much smaller, how much faster than transformers, and at what loss.

The model is SmolLM2-135M with LoRA on ten intents of Banking77, the parent of both forms. Size is that of the weights
beside the fp32 safetensors of the merged model. Decoding is timed in one run and in turn, prompt by prompt: our engine
and transformers' `generate` in fp32, batch 1, greedy, the same ids and as many new tokens on the same cores. The first
token (reading the prompt) is left out on both sides. Our engine takes the threads that it takes by itself; transformers
is given one thread and all of them, and the faster counts. Accuracy is paired, row by row, with the parent's.

Beside them stands what every user of torch has at hand, the baseline: `quantize_dynamic` of the merged model, which
keeps the weights of linear layers in eight bits and rounds activations as they come. transformers decodes with it, and
its answers are scored as those of the forms are.
"""

from __future__ import annotations

import io
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from torch.ao.quantization import quantize_dynamic
from transformers import AutoModelForCausalLM

from bench.foundation import scratch
from bench.harness import Peer, Record, median_record
from bench.tune_methods import SEED, banking_rows, dataset_of
from seekloop import compress, evaluate, tune
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.evaluate import asking, scoring
from seekloop.evaluate.compare import Pair, measure, paired, shared_answers
from seekloop.evaluate.questions import prompts, questions
from seekloop.runtime.bases import open_base
from seekloop.runtime.generate.backend import Backend, Prompt
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.runtime.models import codec_of
from seekloop.system import settings

__all__ = ["FORMS", "figures", "measures"]

FORMS = {"int8": {"type": "gguf", "precision": "q8_0"}, "int4": {"type": "gguf", "precision": "q4_0"}}
"""Name of the figures -> method. `q4_0` keeps its embedding in `q8_0`; the base lies on the grid of `q4_1`."""
BASELINE = "torch_dynamic_int8"
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
    """Size, speed and loss of each form of `tuned`, and of the baseline, on the dataset's test rows."""
    merged, *forms = (_made(tuned, method, ctx=ctx) for method in ({"type": "merge"}, *FORMS.values()))
    before = evaluate.run(asked, evaluate.EvaluateInputs(checkpoint=merged, dataset=dataset), ctx=ctx)
    whole = AutoModelForCausalLM.from_pretrained(ctx.store.folder(merged.id), dtype=torch.float32).eval()
    eight = _dynamic_int8(whole)
    peer, (slow, *speeds) = _decoded((whole, eight), forms, _prompts(merged, dataset, count=timed, ctx=ctx), ctx=ctx)
    facts: dict[str, Any] = {"data": "banking77, first 10 intents by name, greedy", "seed": SEED}
    records = _records(
        BASELINE,
        kept=_saved(eight) / _bytes(merged),
        peer=peer,
        speed=slow,
        pairs=_answered(eight, merged, dataset, before=before, asked=asked, ctx=ctx),
        facts=facts | {"model": f"smollm2-135m, lora, merged, torch {torch.__version__} quantize_dynamic"},
    )
    for name, form, speed in zip(FORMS, forms, speeds, strict=True):
        report = evaluate.run(
            asked, evaluate.EvaluateInputs(checkpoint=form, dataset=dataset, baseline=before), ctx=ctx
        )
        records += _records(
            name,
            kept=_bytes(form) / _bytes(merged),
            peer=peer,
            speed=speed,
            pairs=paired(report, before, store=ctx.store)[0],
            facts=facts | {"model": f"smollm2-135m, lora, {form.form} {form.precision}"},
        )
    return records


def _made(tuned: Checkpoint, method: dict[str, str], *, ctx: RunContext) -> Checkpoint:
    spec = compress.CompressSpec.parse({"method": method})
    return compress.run(spec, compress.CompressInputs(checkpoint=tuned), ctx=ctx)


def _records(
    name: str,
    *,
    kept: float,
    peer: Sequence[float],
    speed: Sequence[float],
    pairs: Sequence[Pair],
    facts: dict[str, Any],
) -> list[Record]:
    """How much smaller, how many times as fast, prompt by prompt, and how many fewer right answers."""
    ratios = [ours / theirs for ours, theirs in zip(speed, peer, strict=True)]
    print(f"{name}: {statistics.median(speed):.1f} tokens/s, transformers {statistics.median(peer):.1f}", flush=True)
    (found,) = measure(pairs, seed=SEED, resamples=2000, only=["accuracy"])
    right, before = (sum(pair[side].correct for pair in pairs) / len(pairs) for side in (0, 1))
    print(f"{name}: accuracy {right:.3f}, parent {before:.3f}; {1 - kept:.1%} smaller", flush=True)
    return [
        Record(name=f"{name}_size_cut", value=1 - kept, unit="share", better="higher", n=1, **facts),
        median_record(
            f"{name}_decode_speedup",
            ratios,
            unit="x",
            better="higher",
            peer=Peer(name="transformers generate fp32, batch 1", version=transformers.__version__, value=1.0),
            **facts,
        ),
        Record(
            name=f"{name}_accuracy_drop",
            value=0.0 - found.difference,
            unit="share",
            better="lower",
            n=found.n,
            ci=(-found.ci[1], -found.ci[0]),
            **facts,
        ),
    ]


def _bytes(form: Checkpoint) -> int:
    return sum(entry.size for name, entry in form.files.items() if name.endswith((".safetensors", ".gguf")))


def _dynamic_int8(model: nn.Module) -> nn.Module:
    """A copy whose linear layers, the output layer among them, are torch's; its embedding stays in fp32."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch 2.13 calls all of torch.ao.quantization deprecated
        made: nn.Module = quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    return made


def _saved(model: nn.Module) -> int:
    """Bytes of the weights as `torch.save` writes them, the one way to keep a quantised model of torch."""
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.tell()


def _answered(
    model: nn.Module,
    merged: Checkpoint,
    dataset: Dataset,
    *,
    before: Report,
    asked: evaluate.EvaluateSpec,
    ctx: RunContext,
) -> list[Pair]:
    """What `model` answers to the rows that its parent was asked, beside the parent's answers."""
    rows, codec = questions(dataset, asked, store=ctx.store), codec_of(merged, store=ctx.store)
    torch.set_num_threads(settings.threads())
    said = asking.ask(TorchBackend(model), prompts(rows, asked, codec=codec, seed=0), ctx=ctx)
    answers = asking.read(said, rows, codec=codec, form=dataset.answer)
    parent = scoring.read_answers(ctx.store.path(before.id, "answers.jsonl"))
    shared = shared_answers([one.key for one in answers], parent, baseline=before.id)
    return [(one, shared[one.key]) for one in answers]


def _prompts(merged: Checkpoint, dataset: Dataset, *, count: int, ctx: RunContext) -> list[Prompt]:
    """Test questions whose answers go on for as many tokens, whatever they say."""
    rows = questions(dataset, ASKED, store=ctx.store)
    step = max(1, len(rows) // count)
    made = prompts(rows[::step][:count], ASKED, codec=codec_of(merged, store=ctx.store), seed=0)
    return [Prompt(ids=one.ids, stop_ids=frozenset(), max_tokens=TOKENS + 1) for one in made]


def _decoded(
    models: Sequence[Any], forms: Sequence[Checkpoint], asked: Sequence[Prompt], *, ctx: RunContext
) -> tuple[list[float], list[list[float]]]:
    """Tokens a second after the first, by prompt: of the first of `models`, then of each other model and form."""
    peer: list[float] = []
    others: list[list[float]] = [[] for _ in (*models[1:], *forms)]
    with ExitStack() as running:
        engines = [running.enter_context(_endless(form, ctx=ctx)) for form in forms]
        for number, prompt in enumerate((asked[0], *asked)):
            theirs, *rest = (
                max(_by_transformers(model, prompt, threads=threads) for threads in (1, settings.threads()))
                for model in models
            )
            speeds = [*rest, *(_by(engine, prompt) for engine in engines)]
            if number:  # the first round warms all up
                peer.append(theirs)
                for kept, speed in zip(others, speeds, strict=True):
                    kept.append(speed)
    return peer, others


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
