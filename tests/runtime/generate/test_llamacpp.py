from __future__ import annotations

import asyncio
import dataclasses

import pytest

from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.llamacpp import LlamaCpp
from seekloop.runtime.generate.open import open_async, open_backend
from seekloop.system.errors import EngineError


def answers(backend, prompts):
    done = dict(backend.generate(prompts))
    return [(done[index].ids, done[index].finish_reason) for index in range(len(prompts))]


def test_greedy_ids_are_those_of_torch(ctx, tiny, gguf, ragged):
    prompts = ragged(24)
    with open_backend(tiny, store=ctx.store) as torch, open_backend(gguf, store=ctx.store, streams=4) as llamacpp:
        assert answers(llamacpp, prompts) == answers(torch, prompts)
        assert [answers(llamacpp, [prompt])[0] for prompt in prompts[:6]] == answers(torch, prompts[:6])


def test_a_stream_gives_every_id_even_halves_of_characters(ctx, tiny, gguf):
    prompt = Prompt(ids=(200, 201), stop_ids=frozenset(), max_tokens=60)
    with open_backend(tiny, store=ctx.store) as torch, open_backend(gguf, store=ctx.store) as llamacpp:
        tokens = list(llamacpp.stream(prompt))
        ((ids, _),) = answers(torch, [prompt])
    assert tuple(token.id for token in tokens) == ids
    assert "\ufffd" in Codec.open(ctx.store.folder(tiny.id)).decode(ids)


def test_a_prompts_own_stop_ids_hold_and_no_others(ctx, gguf):
    stop = min(Codec.open(ctx.store.folder(gguf.id)).stop_ids)
    with open_backend(gguf, store=ctx.store) as backend:
        free = Prompt(ids=(200, 201), stop_ids=frozenset(), max_tokens=30)
        ((ids, reason),) = answers(backend, [free])
        assert (len(ids), reason) == (30, "length")
        held = dataclasses.replace(free, stop_ids=frozenset({stop, ids[7]}))
        assert answers(backend, [held]) == [(ids[: ids.index(ids[7])], "stop")]


def test_the_models_own_stop_id_does_not_end_a_prompt_that_has_another(ctx, tiny, gguf):
    with open_backend(gguf, store=ctx.store) as backend:
        prompt = Prompt(ids=(200, 201), stop_ids=frozenset(), max_tokens=30)
        ((ids, _),) = answers(backend, [prompt])
    path = ctx.store.path(gguf.id, "model.gguf")

    async def ask():
        engine = LlamaCpp.start(path, stop_ids=[ids[3]], threads=1, streams=1, context=256)
        try:
            return [token.id async for token in engine.stream(prompt)]
        finally:
            await engine.close()

    assert tuple(asyncio.run(ask())) == ids


def test_a_seed_repeats_an_answer_and_another_seed_does_not(ctx, gguf):
    prompt = Prompt(ids=(200, 201), stop_ids=frozenset(), max_tokens=30, temperature=1.0, top_p=0.95, seed=5)
    with open_backend(gguf, store=ctx.store) as backend:
        first, again, other = answers(backend, [prompt, prompt, dataclasses.replace(prompt, seed=6)])
    assert first == again != other


def test_a_prompt_that_does_not_fit_is_refused_with_its_counts(ctx, gguf):
    with open_backend(gguf, store=ctx.store, context=256) as backend:
        prompt = Prompt(ids=(9,) * 250, stop_ids=frozenset(), max_tokens=7)
        with pytest.raises(EngineError) as caught:
            answers(backend, [prompt])
        assert caught.value.facts == {"prompt": 250, "answer": 7, "context": 256}
        assert len(answers(backend, [dataclasses.replace(prompt, max_tokens=6)])[0][0]) == 6


def test_the_context_is_never_more_than_the_model_was_made_for(ctx, gguf):
    with open_backend(gguf, store=ctx.store, context=4096, streams=1) as backend, pytest.raises(EngineError) as caught:
        answers(backend, [Prompt(ids=(9,) * 2048, stop_ids=frozenset(), max_tokens=1)])
    assert caught.value.facts["context"] == 2048


def test_a_cancelled_stream_makes_room_for_the_next(ctx, gguf):
    async def cancel_then_ask():
        engine = open_async(gguf, store=ctx.store, streams=1)
        endless = engine.stream(Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=2000))
        await anext(endless)
        await engine.probe()
        await endless.aclose()
        tokens = [token async for token in engine.stream(Prompt(ids=(9,), stop_ids=frozenset(), max_tokens=3))]
        await engine.close()
        return tokens

    assert len(asyncio.run(cancel_then_ask())) == 3


def test_a_prompt_cache_changes_no_greedy_id_here(ctx, gguf, ragged):
    async def ask(cached):
        engine = open_async(gguf, store=ctx.store, streams=1, prefix_cache=cached)
        prompts = [Prompt(ids=tuple(range(60, 60 + n)), stop_ids=frozenset(), max_tokens=8) for n in (20, 30, 40)]
        ids = [[token.id async for token in engine.stream(prompt)] for prompt in prompts]
        await engine.close()
        return ids

    assert asyncio.run(ask(True)) == asyncio.run(ask(False))


def test_an_engine_is_refused_for_a_form_it_does_not_run(ctx, tiny, gguf):
    for checkpoint, engine, code in (
        (tiny, "llamacpp", "runtime.needs_gguf"),
        (gguf, "torch", "runtime.needs_weights"),
    ):
        with pytest.raises(EngineError) as caught:
            open_backend(checkpoint, store=ctx.store, engine=engine)
        assert caught.value.code == code
