"""The gateway's draft: what it may be, and that a release does not start where it cannot be had."""

from __future__ import annotations

import asyncio

import pytest

from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.options import GatewayOptions
from seekloop.system.errors import EngineError, SeekloopError

PROMPT = Prompt(ids=(20, 30, 40, 20, 30), stop_ids=frozenset(), max_tokens=12)


@pytest.mark.parametrize("draft", [{"by": "model"}, {"by": "prompt", "model": "checkpoint:1"}])
def test_a_model_is_named_where_it_guesses_and_nowhere_else(draft):
    with pytest.raises(SeekloopError) as wrong:
        GatewayOptions.parse({"draft": draft})
    assert "a model is named where it guesses" in wrong.value.sentence("en")


def test_a_release_says_the_same_with_the_gateways_draft(ctx):
    gguf = run(CompressSpec(method=GgufMethod(precision="f32")), CompressInputs(checkpoint=tiny_base(ctx)), ctx=ctx)
    drafts = [None, {}, {"by": "model", "model": gguf.id}]

    async def said(draft):
        options = GatewayOptions.parse({"streams": 1, "context": 256, "threads": 1, "draft": draft})
        engine = await opener(ctx.store, options)(gguf)
        try:
            return [token.id async for token in engine.stream(PROMPT)]
        finally:
            await engine.close()

    plain, *others = [asyncio.run(said(draft)) for draft in drafts]
    assert others == [plain, plain]


def test_an_engine_that_cannot_draft_does_not_start(ctx):
    options = GatewayOptions.parse({"engine": "torch", "draft": {}})
    with pytest.raises(EngineError) as refused:
        asyncio.run(opener(ctx.store, options)(tiny_base(ctx)))
    assert refused.value.code == "drafting.cannot"
