"""What all prompts begin with is read once, and no answer changes for it, nor for how many are answered together."""

from __future__ import annotations

import dataclasses

import pytest

from seekloop.runtime.generate.torch_backend import TorchBackend

SYSTEM = tuple(range(40, 60))


def answers(backend, prompts):
    done = dict(backend.generate(prompts))
    return [(done[index].ids, done[index].finish_reason) for index in range(len(prompts))]


def begun_alike(prompts):
    return [dataclasses.replace(prompt, ids=SYSTEM + prompt.ids) for prompt in prompts]


@pytest.mark.parametrize("family", ["smollm2", "qwen2.5", "deepseek-v2", "deepseek-v3"])
def test_prompts_that_begin_alike_are_answered_as_one_by_one(sharp, ragged, family):
    model, prompts = sharp(family), begun_alike(ragged(12))
    alone = [answers(TorchBackend(model), [prompt])[0] for prompt in prompts]
    assert answers(TorchBackend(model, streams=5), prompts) == alone


def test_no_answer_depends_on_the_streams(sharp, ragged):
    model, prompts = sharp("smollm2"), begun_alike(ragged(24))
    answered = [answers(TorchBackend(model, streams=streams), prompts) for streams in (1, 3, 8, None)]
    assert all(one == answered[0] for one in answered)


def test_a_prompt_that_is_the_beginning_of_all_others_is_answered_too(sharp, ragged):
    model = sharp("smollm2")
    prompts = [dataclasses.replace(prompt, ids=SYSTEM + prompt.ids[:place]) for place, prompt in enumerate(ragged(4))]
    alone = [answers(TorchBackend(model), [prompt])[0] for prompt in prompts]
    assert answers(TorchBackend(model), prompts) == alone
