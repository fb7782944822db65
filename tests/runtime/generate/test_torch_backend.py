from __future__ import annotations

import dataclasses

import pytest
import torch

from seekloop.model import families
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.sampling import Sampler
from seekloop.runtime.generate.torch_backend import TorchBackend
from seekloop.runtime.models import load
from seekloop.system.errors import EngineError

NAMES = [card.name for card in families.cards()]


def answers(backend, prompts):
    done = dict(backend.generate(prompts))
    return [(done[index].ids, done[index].finish_reason) for index in range(len(prompts))]


@pytest.mark.parametrize("family", NAMES)
def test_a_batch_answers_as_one_by_one_in_every_family(sharp, ragged, family):
    model = sharp(family)
    prompts = [*ragged(12), *ragged(12, temperature=0.8)]
    together = answers(TorchBackend(model, streams=5), prompts)
    alone = [answers(TorchBackend(model), [prompt])[0] for prompt in prompts]
    assert together == alone
    assert {reason for _, reason in together} == {"stop", "length"}


@pytest.mark.parametrize("family", ["smollm2", "qwen2.5", "deepseek-v2", "deepseek-v3"])
def test_greedy_ids_are_those_of_transformers(sharp, ragged, family):
    model = sharp(family)
    prompts = ragged(12, stops=0)
    for prompt, (ids, _) in zip(prompts, answers(TorchBackend(model), prompts), strict=True):
        asked = torch.tensor([prompt.ids])
        whole = model.generate(
            asked,
            attention_mask=torch.ones_like(asked),
            max_new_tokens=prompt.max_tokens,
            min_new_tokens=prompt.max_tokens,
            do_sample=False,
            eos_token_id=[],
            pad_token_id=0,
        )
        assert tuple(whole[0, len(prompt.ids) :].tolist()) == ids


def test_a_stream_says_what_generate_says(ctx, tiny, ragged):
    backend = TorchBackend(load(tiny, store=ctx.store))
    for prompt in ragged(6):
        tokens = list(backend.stream(prompt))
        ids = tuple(token.id for token in tokens if token.id is not None)
        assert [(ids, tokens[-1].finish_reason)] == answers(backend, [prompt])


def test_every_token_but_the_last_has_no_finish_reason(ctx, tiny):
    backend = TorchBackend(load(tiny, store=ctx.store))
    tokens = list(backend.stream(Prompt(ids=(9, 10), stop_ids=frozenset(), max_tokens=5)))
    assert [token.finish_reason for token in tokens] == [None, None, None, None, "length"]


def test_a_stop_id_ends_an_answer_and_is_no_part_of_it(ctx, tiny):
    backend = TorchBackend(load(tiny, store=ctx.store))
    prompt = Prompt(ids=(9, 10), stop_ids=frozenset(), max_tokens=8)
    ((ids, _),) = answers(backend, [prompt])
    stopped = dataclasses.replace(prompt, stop_ids=frozenset({ids[3]}))
    assert answers(backend, [stopped]) == [(ids[: ids.index(ids[3])], "stop")]


def test_a_prompt_that_does_not_fit_is_refused_with_its_counts(ctx, tiny):
    backend = TorchBackend(load(tiny, store=ctx.store), context=16)
    prompts = [Prompt(ids=(9,) * length, stop_ids=frozenset(), max_tokens=8) for length in (8, 9)]
    with pytest.raises(EngineError) as caught:
        next(iter(backend.generate(prompts)))
    assert caught.value.code == "runtime.prompt_too_long"
    assert caught.value.facts == {"prompt": 9, "answer": 8, "context": 16}


def test_an_answer_is_timed_from_when_its_prompt_was_taken_up(ctx, tiny, ragged):
    backend = TorchBackend(load(tiny, store=ctx.store))
    for _, answer in backend.generate(ragged(4)):
        assert 0 < answer.first_token_s <= answer.total_s


def test_the_smallest_nucleus_is_the_likeliest_token():
    logits = torch.tensor([0.1, 2.0, 1.9, -1.0])
    prompt = Prompt(ids=(1,), stop_ids=frozenset(), temperature=1.0, top_p=1e-6)
    sampler = Sampler(prompt)
    assert {sampler.next(logits) for _ in range(50)} == {1}


def test_a_nucleus_keeps_its_shares():
    logits = torch.log(torch.tensor([0.4, 0.3, 0.2, 0.1]))
    sampler = Sampler(Prompt(ids=(1,), stop_ids=frozenset(), temperature=1.0, top_p=0.69))
    drawn = [sampler.next(logits) for _ in range(2000)]
    assert set(drawn) == {0, 1}
    assert drawn.count(0) / 2000 == pytest.approx(4 / 7, abs=0.05)
