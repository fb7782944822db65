"""Speculative decoding: the greedy ids are the same with a draft and without, and who cannot draft says so."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util

import pytest

from seekloop.artifact.context import RunContext
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.store import Store
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod
from seekloop.compress.stage import run
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.dials import Dials
from seekloop.runtime.generate.drafting import Draft, draft_by
from seekloop.runtime.generate.open import open_engine
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import EngineError

REPEATS = Prompt(ids=(20, 30, 40, 20, 30, 40, 20, 30), stop_ids=frozenset(), max_tokens=40)
DIALS = Dials(threads=1, streams=4, context=512)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with a tiny model as a GGUF file, another over the same vocabulary, and one over another."""
    folder = tmp_path_factory.mktemp("drafting")
    ledger = Ledger.in_folder(folder)
    ctx = RunContext(store=Store(folder / "store"), ledger=ledger)
    spec = CompressSpec(method=GgufMethod(precision="f32"))
    bases = (tiny_base(ctx), tiny_base(ctx, seed=1, layers=1), tiny_base(ctx, family="r1-distill-qwen"))
    yield ctx, bases[0], [run(spec, CompressInputs(checkpoint=base), ctx=ctx) for base in bases]
    ledger.close()


def opened(checkpoint, ctx, *, draft=None, engine="auto"):
    dials = dataclasses.replace(DIALS, draft=draft)
    return Blocking(open_engine(checkpoint, store=ctx.store, engine=engine, dials=dials), streams=4)


def answers(backend, prompts):
    done = dict(backend.generate(prompts))
    return [(done[index].ids, done[index].finish_reason) for index in range(len(prompts))]


@pytest.mark.parametrize("by", ["prompt", "itself", "another"])
def test_llamacpp_says_the_same_with_a_draft_alone_and_beside_others(made, ragged, by):
    ctx, _, (gguf, other, _) = made
    guesser = {"itself": gguf, "another": other}.get(by)
    draft = Draft() if guesser is None else draft_by(guesser.id, checkpoint=gguf, store=ctx.store)
    prompts = [*ragged(16), REPEATS, *ragged(4, temperature=1.0)]
    with opened(gguf, ctx) as plain:
        expected = answers(plain, prompts)
    with opened(gguf, ctx, draft=draft) as backend:
        assert answers(backend, prompts) == expected
        assert answers(backend, [REPEATS]) == [expected[16]]
        stop = dataclasses.replace(REPEATS, stop_ids=frozenset({expected[16][0][20]}))
        with opened(gguf, ctx) as plain:
            assert answers(backend, [stop]) == answers(plain, [stop])


def test_log_probabilities_are_told_beside_a_draft(made):
    ctx, _, (gguf, *_) = made
    asked = dataclasses.replace(REPEATS, top=2, max_tokens=8)
    with opened(gguf, ctx) as plain, opened(gguf, ctx, draft=Draft()) as backend:
        told = [list(engine.stream(asked)) for engine in (plain, backend)]
        read = [engine.read(REPEATS.ids, top=1) for engine in (plain, backend)]
    assert told[0] == told[1]
    assert read[0] == read[1]


@pytest.mark.skipif(importlib.util.find_spec("openvino_genai") is None, reason="openvino-genai is not installed")
def test_openvino_says_the_same_with_what_the_prompt_says_and_takes_no_model(made, ragged):
    ctx, base, (gguf, *_) = made
    ir = run(CompressSpec(method=OpenVinoMethod(precision="f32")), CompressInputs(checkpoint=base), ctx=ctx)
    prompts = [*ragged(12), REPEATS, dataclasses.replace(REPEATS, presence=0.5, frequency=0.5)]
    with opened(ir, ctx) as plain:
        expected = answers(plain, prompts)
    with opened(ir, ctx, draft=Draft()) as backend:
        assert answers(backend, prompts) == expected
        stop = dataclasses.replace(REPEATS, stop_ids=frozenset({expected[12][0][20]}))
        with opened(ir, ctx) as plain:
            assert answers(backend, [stop]) == answers(plain, [stop])
    with pytest.raises(EngineError) as refused:
        opened(ir, ctx, draft=draft_by(gguf.id, checkpoint=ir, store=ctx.store))
    assert (refused.value.code, refused.value.facts) == ("drafting.cannot", {"engine": "OpenVINO", "way": "model"})


@pytest.mark.parametrize("engine", ["torch", "echo"])
def test_an_engine_that_cannot_draft_says_so(made, engine):
    ctx, base, _ = made
    with pytest.raises(EngineError) as refused:
        opened(base, ctx, draft=Draft(), engine=engine)
    assert (refused.value.code, refused.value.facts) == ("drafting.cannot", {"engine": engine, "way": "prompt"})


def test_a_draft_with_another_vocabulary_or_form_is_refused(made):
    ctx, base, (gguf, _, foreign) = made
    for guesser, code in ((foreign, "drafting.other_vocabulary"), (base, "drafting.not_gguf")):
        with pytest.raises(EngineError) as refused:
            draft_by(guesser.id, checkpoint=gguf, store=ctx.store)
        assert refused.value.code == code


def test_a_draft_frees_its_stream_when_nobody_listens(made):
    ctx, _, (gguf, *_) = made

    async def leave_and_ask():
        dials = dataclasses.replace(DIALS, streams=1, draft=Draft())
        engine = open_engine(gguf, store=ctx.store, engine="auto", dials=dials)
        try:
            tokens = engine.stream(dataclasses.replace(REPEATS, max_tokens=400))
            await anext(tokens)
            await tokens.aclose()
            return [token.id async for token in engine.stream(dataclasses.replace(REPEATS, max_tokens=3))]
        finally:
            await engine.close()

    assert len(asyncio.run(leave_and_ask())) == 3
