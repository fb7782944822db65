"""Log-probabilities: those of transformers, whatever stands beside them, on torch and on llama.cpp."""

from __future__ import annotations

import random

import pytest
import torch

from seekloop.model.codec import Codec
from seekloop.runtime.endpoint.served import open_endpoint
from seekloop.runtime.generate import torch_scorer
from seekloop.runtime.generate.likelihood import Fork
from seekloop.runtime.generate.open import open_backend, open_scorer
from seekloop.runtime.generate.torch_scorer import TorchScorer
from seekloop.system.errors import EngineError, UsageError

CLOSE = 1e-4


def forks(count, *, seed=3):
    """Contexts of many lengths, with ways that begin alike, hold each other, and are the same twice."""
    choose = random.Random(seed)
    made = []
    for _ in range(count):
        context, begun = ([choose.randrange(8, 300) for _ in range(choose.choice((1, 3, 30)))] for _ in range(2))
        ways = [tuple(begun[:3] + [choose.randrange(8, 300) for _ in range(length)]) for length in (1, 2, 4)]
        made.append(Fork(tuple(context), (*ways, ways[0], ways[2][:2], (9,))))
    return made


def by_transformers(model, context, way):
    with torch.inference_mode():
        logits = model(torch.tensor([[*context, *way]])).logits[0, len(context) - 1 : -1]
    logprobs = torch.log_softmax(logits.float(), -1)
    return float(logprobs[torch.arange(len(way)), list(way)].sum()), logits.argmax(-1).tolist() == list(way)


@pytest.mark.parametrize("family", ["smollm2", "qwen2.5", "deepseek-v2", "deepseek-v3"])
def test_log_probabilities_are_those_of_transformers(sharp, family):
    model = sharp(family)
    asked = forks(5)
    for index, scores in TorchScorer(model).score(asked):
        for way, score in zip(asked[index].ways, scores, strict=True):
            logprob, greedy = by_transformers(model, asked[index].context, way)
            assert score.logprob == pytest.approx(logprob, abs=CLOSE)
            assert score.greedy == greedy


def test_what_greedy_decoding_says_is_greedy(ctx, tiny):
    with open_scorer(tiny, store=ctx.store) as scorer:
        model = scorer._model
        context = (9, 10, 11)
        likeliest = int(model(torch.tensor([context])).logits[0, -1].argmax())
        ((_, (said, other)),) = scorer.score([Fork(context, ((likeliest,), (likeliest + 1,)))])
    assert (said.greedy, other.greedy) == (True, False)


def test_many_ways_are_scored_in_parts_with_the_same_numbers(sharp):
    model, choose = sharp("smollm2"), random.Random(5)
    ways = tuple((choose.randrange(8, 300), choose.randrange(8, 300)) for _ in range(torch_scorer._positions_at_once))
    ((_, scores),) = TorchScorer(model).score([Fork((9, 10), ways)])
    assert len(scores) == len(ways)
    for place in (0, 1000, -1):
        assert scores[place].logprob == pytest.approx(by_transformers(model, (9, 10), ways[place])[0], abs=CLOSE)


def test_llama_cpp_tells_what_torch_tells(ctx, tiny, gguf):
    asked = forks(3)
    with open_scorer(tiny, store=ctx.store) as exact, open_scorer(gguf, store=ctx.store, context=256) as scorer:
        expected, told = dict(exact.score(asked)), dict(scorer.score(asked))
    for index, scores in told.items():
        assert [one.logprob for one in scores] == pytest.approx([one.logprob for one in expected[index]], abs=1e-3)
        assert [one.greedy for one in scores] == [one.greedy for one in expected[index]]


def test_a_way_that_does_not_fit_is_refused_with_its_counts(ctx, tiny):
    with open_scorer(tiny, store=ctx.store, context=64) as scorer, pytest.raises(EngineError) as caught:
        list(scorer.score([Fork((9,) * 60, ((9,) * 6,))]))
    assert caught.value.code == "runtime.prompt_too_long"
    assert caught.value.facts == {"prompt": 60, "answer": 6, "context": 64}


def test_an_echo_tells_no_log_probabilities(ctx, tiny):
    with pytest.raises(EngineError) as caught:
        open_scorer(tiny, store=ctx.store, engine="echo")
    assert caught.value.code == "runtime.no_likelihoods"


def test_an_endpoint_stands_in_the_store_and_has_no_weights(ctx):
    checkpoint = open_endpoint("http://127.0.0.1:9/v1/#m", ctx=ctx)
    assert open_endpoint("http://127.0.0.1:9/v1/#m", ctx=ctx).id == checkpoint.id
    with pytest.raises(EngineError) as caught:
        open_backend(checkpoint, store=ctx.store)
    assert caught.value.code == "runtime.no_weights"


def test_an_endpoint_without_a_model_is_refused(ctx):
    with pytest.raises(UsageError) as caught:
        open_endpoint("http://127.0.0.1:9/v1", ctx=ctx)
    assert caught.value.code == "runtime.endpoint_without_model"


def test_llama_cpp_scores_the_ids_that_it_ends_at(ctx, tiny, gguf):
    stops = tuple(sorted(Codec.open(ctx.store.folder(tiny.id)).stop_ids))
    asked = [Fork((9, 10, 11), ((200, *stops), (*stops, 201), (11, 12)))]
    with open_scorer(tiny, store=ctx.store) as exact, open_scorer(gguf, store=ctx.store, context=256) as scorer:
        ((_, expected),), ((_, told),) = exact.score(asked), scorer.score(asked)
    assert [one.logprob for one in told] == pytest.approx([one.logprob for one in expected], abs=1e-3)
    assert [one.greedy for one in told] == [one.greedy for one in expected]
