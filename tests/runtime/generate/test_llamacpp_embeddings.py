"""Embeddings of llama.cpp: those of torch, from a process of their own that comes with the first text."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.open import open_backend, open_engine
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import EngineError

TEXTS = [(200,), (200, 201), tuple(range(9, 60)), tuple(9 + 7 * place % 191 for place in range(600))]


@pytest.mark.parametrize("family", ["smollm2", "r1-distill-qwen"])
def test_embeddings_are_those_of_torch(ctx, family):
    base = tiny_base(ctx, family=family)
    gguf = run(CompressSpec(method=GgufMethod(precision="f32")), CompressInputs(checkpoint=base), ctx=ctx)
    with open_backend(base, store=ctx.store) as torch, open_backend(gguf, store=ctx.store) as llamacpp:
        for ids in TEXTS:
            assert llamacpp.embed(ids) == pytest.approx(torch.embed(ids), abs=2e-5)


def test_a_text_that_does_not_fit_is_refused(ctx, gguf):
    with open_backend(gguf, store=ctx.store, context=256) as backend:
        with pytest.raises(EngineError) as refused:
            backend.embed((9,) * 257)
        assert len(backend.embed((9,) * 256)) == 64
    assert refused.value.code == "runtime.prompt_too_long"


def test_embeddings_come_back_after_their_process_died_and_answers_do_not_notice(ctx, gguf):
    async def scenario():
        engine = open_engine(gguf, store=ctx.store, engine="auto", dials=Dials(streams=1, context=256))
        try:
            first = await engine.embed((200, 201))
            os.kill((await engine._embedding.engine()).pid, signal.SIGKILL)
            said = [t.id async for t in engine.stream(Prompt(ids=(200,), stop_ids=frozenset(), max_tokens=3))]
            return first, await engine.embed((200, 201)), len(said)
        finally:
            await engine.close()

    first, again, said = asyncio.run(scenario())
    assert (first, said) == (again, 3)
