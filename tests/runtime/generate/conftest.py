"""The tiny model, in full and as an fp32 GGUF file, and ragged prompts to ask it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.tiny import tiny_base

LENGTHS = (1, 2, 3, 9, 17, 40)
TOKENS = (1, 5, 20)


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
