"""A grammar kept from outside gives what masking every step inside the engine would."""

import asyncio
import collections
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.tokenizers import tiny_tokenizer
from seekloop.runtime import models
from seekloop.runtime.generate.allowed import allowed_ids, is_allowed, with_ids, without_ids
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.bridge import Awaited
from seekloop.runtime.generate.grammar import Grammars
from seekloop.runtime.generate.guided import draw, guided
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.runtime.tiny import tiny_base

GRAMMAR = json.dumps({"grammars": [{"lark_grammar": r"start: /[a-f]{3,6}( [0-9]{1,3}){1,4}/"}]})


@pytest.fixture
def codec():
    card = families.card("deepseek-llm")
    return Codec.build(card, tiny_tokenizer(card))


@pytest.fixture
def model(ctx):
    return models.load(tiny_base(ctx, family="deepseek-llm"), store=ctx.store)


def by_masking(model, prompt, guide):
    """The greedy ids of a model whose every step is masked."""
    ids = list(prompt.ids)
    while len(ids) < len(prompt.ids) + prompt.max_tokens:
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[0, -1]
        allowed = allowed_ids(guide.allowed())
        best = max(allowed, key=lambda id_: float(logits[id_]))
        if best in prompt.stop_ids:
            break
        guide.take(best)
        ids.append(best)
        if guide.over:
            break
    return ids[len(prompt.ids) :]


def answer(model, prompt, grammars):
    async def said():
        backend = Awaited(TorchBackend(model), streams=1)
        try:
            tokens = guided(backend, prompt, guide=grammars.guide(GRAMMAR))
            return [token async for token in tokens]
        finally:
            await backend.close()

    return asyncio.run(said())


def test_a_greedy_answer_is_that_of_masking_every_step(codec, model):
    grammars = Grammars(codec)
    for text in ("Hi", "The fee", "您好"):
        # Chances are asked for so that nothing is put in its place without asking the engine.
        prompt = Prompt(ids=codec.raw_ids(text), stop_ids=codec.stop_ids, max_tokens=20, top=1)
        tokens = answer(model, prompt, grammars)
        ids = [token.id for token in tokens if token.id is not None]
        assert ids == by_masking(model, prompt, grammars.guide(GRAMMAR))
        assert tokens[-1].finish_reason in ("stop", "length")


def test_an_answer_ends_as_stop_only_where_the_grammar_is_satisfied(codec, model):
    grammars = Grammars(codec)
    for most in (1, 2, 40):
        prompt = Prompt(ids=codec.raw_ids("Hi"), stop_ids=codec.stop_ids, max_tokens=most)
        tokens = answer(model, prompt, grammars)
        guide = grammars.guide(GRAMMAR)
        for token in tokens:
            if token.id is not None:
                guide.take(token.id)
        assert guide.complete or tokens[-1].finish_reason == "length"
        assert (tokens[-1].finish_reason == "stop") == (most == 40)


def test_what_is_drawn_follows_the_chances_and_the_nucleus():
    table = tuple((id_, math.log(share)) for id_, share in enumerate((0.5, 0.3, 0.15, 0.05)))
    drawn = collections.Counter(
        draw(table, Prompt(ids=(1,), stop_ids=frozenset(), temperature=1, top_p=0.9, seed=5), place=place)[0]
        for place in range(2000)
    )
    assert set(drawn) == {0, 1, 2}
    assert drawn[0] / 2000 == pytest.approx(0.5 / 0.95, abs=0.05)
    assert draw(table, Prompt(ids=(1,), stop_ids=frozenset()), place=0)[0] == 0


@given(st.sets(st.integers(0, 200)), st.sets(st.integers(0, 300)))
def test_bits_are_the_ids_that_were_put_in_and_not_taken_out(ids, others):
    bits = with_ids(b"", ids)
    assert allowed_ids(bits) == sorted(ids)
    assert allowed_ids(without_ids(with_ids(bits, others), others)) == sorted(ids - others)
    assert all(is_allowed(id_, bits) == (id_ in ids) for id_ in range(310))
