"""The tiny model, a LoRA adapter of random weights on it, and a question that both engines answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.spec import CompressInputs, CompressSpec, MethodSpec
from seekloop.compress.stage import run
from seekloop.runtime import models
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.originals import commit_original
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.methods.lora import Lora, LoraConfig
from seekloop.system.spec import Spec

SHARPER = 12.0


class NoSpec(Spec):
    """An adapter that nobody trained."""


@pytest.fixture
def tiny(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


@pytest.fixture
def adapter(ctx: RunContext, tiny: Checkpoint) -> Checkpoint:
    model = models.load(tiny, store=ctx.store)
    method = Lora(config=LoraConfig(rank=4, alpha=8, targets=("q_proj", "v_proj", "o_proj", "down_proj")), base=tiny.id)
    method.apply(model, seed=1)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_B"):
                parameter.normal_(std=0.3)
    with ctx.job("tune", NoSpec()) as job:
        count = method.export(model, job.draft.folder)
        models.codec_of(tiny, store=ctx.store).save(job.draft.folder)
        return job.commit(
            Checkpoint(
                parents={"base": tiny.id, "checkpoint": tiny.id},
                made_by=job.origin,
                form="adapter",
                family="smollm2",
                precision="f32",
                parameters=count,
                trained_tokens=11,
            )
        )


@pytest.fixture
def compress(ctx: RunContext) -> Callable[[Checkpoint, MethodSpec], Checkpoint]:
    def make(checkpoint: Checkpoint, method: MethodSpec) -> Checkpoint:
        return run(CompressSpec(method=method), CompressInputs(checkpoint=checkpoint), ctx=ctx)

    return make


@pytest.fixture
def sharp(ctx: RunContext) -> Callable[..., Checkpoint]:
    """A tiny model of a family whose attention is decided, so that heads and positions change what it says.

    At their first weights, all heads look everywhere alike: an export could mix them up and nobody would see it.
    """

    def make(family: str, **config: Any) -> Checkpoint:
        plain = tiny_base(ctx, family=family)
        folder = ctx.store.folder(plain.id)
        weights = load_file(folder / "model.safetensors")
        for name in weights:
            if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight")):
                weights[name] *= SHARPER
            elif name.endswith("proj.bias"):
                weights[name] += torch.linspace(-1, 1, len(weights[name]))
        with ctx.store.draft() as draft:
            models.codec_of(plain, store=ctx.store).save(draft.folder)
            save_file(weights, draft.path("model.safetensors"), metadata={"format": "pt"})
            text = json.dumps(json.loads((folder / "config.json").read_text()) | config)
            draft.path("config.json").write_text(text)
            return commit_original(
                draft,
                ctx=ctx,
                store=ctx.store,
                spec={"source": "path:sharp"},
                family=family,
                parameters=plain.parameters,
            )

    return make


@pytest.fixture
def greedy(ctx: RunContext) -> Callable[[Checkpoint], list[tuple[int, ...]]]:
    """The greedy answers of a checkpoint to six prompts of 3 to 53 ids."""

    def ask(checkpoint: Checkpoint) -> list[tuple[int, ...]]:
        prompts = [
            Prompt(ids=tuple(range(40, 43 + 10 * index)), stop_ids=frozenset(), max_tokens=16) for index in range(6)
        ]
        with open_backend(checkpoint, store=ctx.store, streams=3) as backend:
            answers = dict(backend.generate(prompts))
        return [answers[index].ids for index in range(len(prompts))]

    return ask
