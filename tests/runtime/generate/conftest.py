"""The tiny model, in full and as an fp32 GGUF file, and ragged prompts to ask it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.models import load
from seekloop.runtime.tiny import tiny_base

LENGTHS = (1, 2, 3, 9, 17, 40)
TOKENS = (1, 5, 20)
SHARPER = 8.0


@pytest.fixture
def sharp(ctx: RunContext) -> Callable[[str], nn.Module]:
    """A tiny model of a family whose attention is decided: what a row sees changes what it says.

    At their first weights all heads look everywhere alike, and mistakes in masks or positions would not show.
    """

    def make(family: str) -> nn.Module:
        model = load(tiny_base(ctx, family=family), store=ctx.store)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if ".self_attn." in name and parameter.dim() == 2:
                    parameter.mul_(SHARPER)
        return model

    return make


@pytest.fixture
def tiny(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


@pytest.fixture
def gguf(ctx: RunContext, tiny: Checkpoint) -> Checkpoint:
    spec = CompressSpec(method=GgufMethod(precision="f32"))
    return run(spec, CompressInputs(checkpoint=tiny), ctx=ctx)


@pytest.fixture
def ragged() -> Callable[..., list[Prompt]]:
    """Prompts of many lengths, to be answered with many; ids below `stops` end an answer."""

    def make(count: int, *, temperature: float = 0.0, stops: int = 8) -> list[Prompt]:
        choose = random.Random(3)
        return [
            Prompt(
                ids=tuple(choose.randrange(8, 300) for _ in range(choose.choice(LENGTHS))),
                stop_ids=frozenset(range(stops)),
                max_tokens=choose.choice(TOKENS),
                temperature=temperature,
                top_p=0.9,
                seed=index,
            )
            for index in range(count)
        ]

    return make
