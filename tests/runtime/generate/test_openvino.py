"""OpenVINO's continuous batching: the ids of torch, streams, stops, seeds, and what it tells of likelihoods."""

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
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import open_async, open_backend, open_scorer
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import EngineError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino_genai") is None, reason="openvino-genai is not installed"
)
FREE = Prompt(ids=(200, 201), stop_ids=frozenset(), max_tokens=30)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with the tiny model as it is, and in OpenVINO's form, exact."""
    folder = tmp_path_factory.mktemp("openvino")
    ledger = Ledger.in_folder(folder)
    ctx = RunContext(store=Store(folder / "store"), ledger=ledger)
    base = tiny_base(ctx)
    spec = CompressSpec(method=OpenVinoMethod(precision="f32"))
    ir = run(spec, CompressInputs(checkpoint=base), ctx=ctx)
    yield ctx.store, base, ir, ctx
    ledger.close()


@pytest.fixture(scope="module")
def backend(made):
    store, _, ir, _ = made
    with open_backend(ir, store=store, streams=4) as backend:
        yield backend


def answers(backend, prompts):
    done = dict(backend.generate(prompts))
    return [(done[index].ids, done[index].finish_reason) for index in range(len(prompts))]


def test_greedy_ids_are_those_of_torch_alone_and_in_any_batch(made, backend, ragged):
    store, base, *_ = made
    prompts = ragged(24)
    with open_backend(base, store=store) as torch:
        expected = answers(torch, prompts)
    assert answers(backend, prompts) == expected
    assert [answers(backend, [prompt])[0] for prompt in prompts[:6]] == expected[:6]


def test_a_stream_gives_every_id(backend):
    ((ids, reason),) = answers(backend, [FREE])
    tokens = list(backend.stream(FREE))
    assert tuple(token.id for token in tokens) == ids
    assert (len(ids), reason, tokens[-1].finish_reason) == (30, "length", "length")


def test_a_prompts_own_stop_ids_hold_and_no_others(backend):
    ((ids, _),) = answers(backend, [FREE])
    held = dataclasses.replace(FREE, stop_ids=frozenset({2, ids[7]}))
    assert answers(backend, [held]) == [(ids[: ids.index(ids[7])], "stop")]


def test_a_seed_repeats_an_answer_in_any_batch_and_another_seed_does_not(backend):
    prompt = dataclasses.replace(FREE, temperature=1.0, top_p=0.95, seed=5)
    other = dataclasses.replace(prompt, seed=6)
    ((alone, _),) = answers(backend, [prompt])
    (_, (first, _), (again, _), (different, _)) = answers(backend, [other, prompt, prompt, other])
    assert first == again == alone != different


def test_a_prompt_that_does_not_fit_is_refused_with_its_counts(made):
    store, _, ir, _ = made
    with open_backend(ir, store=store, context=4096, streams=1) as backend, pytest.raises(EngineError) as caught:
        answers(backend, [Prompt(ids=(9,) * 2048, stop_ids=frozenset(), max_tokens=1)])
    assert caught.value.facts == {"prompt": 2048, "answer": 1, "context": 2048}


def test_a_cancelled_stream_makes_room_for_the_next(made):
    store, _, ir, _ = made

    async def cancel_then_ask():
        engine = open_async(ir, store=store, streams=1)
        endless = engine.stream(Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=2000))
        await anext(endless)
        await engine.probe()
        await endless.aclose()
        tokens = [token async for token in engine.stream(Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=3))]
        await engine.close()
        return tokens

    assert len(asyncio.run(cancel_then_ask())) == 3


def test_likelihoods_are_those_of_torch(made):
    store, base, ir, _ = made
    ways = ((9,), (200, 2, 201), (11, 12), (200, 2))
    forks = [Fork((9, 10, 11), ways), Fork((40,), ((41,), (42,)))]
    with open_scorer(base, store=store) as torch, open_scorer(ir, store=store, context=256) as scorer:
        expected, told = dict(torch.score(forks)), dict(scorer.score(forks))
    for index, scores in told.items():
        assert [one.logprob for one in scores] == pytest.approx([one.logprob for one in expected[index]], abs=1e-3)
        assert [one.greedy for one in scores] == [one.greedy for one in expected[index]]


def test_a_gguf_file_answers_with_the_ids_of_torch(made, ragged):
    store, base, _, ctx = made
    half = run(CompressSpec(method=GgufMethod(precision="f16")), CompressInputs(checkpoint=base), ctx=ctx)
    prompts = ragged(6)
    with (
        open_backend(base, store=store) as torch,
        open_backend(half, store=store, engine="openvino", streams=4) as openvino,
    ):
        same = sum(one == other for one, other in zip(answers(openvino, prompts), answers(torch, prompts), strict=True))
    assert same >= 5


def test_what_is_neither_form_is_refused(made):
    store, base, *_ = made
    with pytest.raises(EngineError) as caught:
        open_backend(base, store=store, engine="openvino")
    assert caught.value.code == "runtime.needs_openvino"


def test_streams_that_do_not_fit_the_memory_are_refused_before_the_engine_starts(made):
    store, _, ir, _ = made
    with pytest.raises(EngineError) as caught:
        open_backend(ir, store=store, streams=10_000_000)
    assert caught.value.code == "runtime.cache_does_not_fit"
