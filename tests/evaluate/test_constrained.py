"""Answers that can only be labels: exact probabilities, the likeliest one, and the same again after a kill."""

from __future__ import annotations

import math

import pytest
import torch

from seekloop.artifact.rows import Message
from seekloop.evaluate import stage
from seekloop.evaluate.constrained import read_probabilities, shares
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.model.codec import Codec
from seekloop.runtime.models import load
from seekloop.system.errors import DataError
from tests.evaluate.conftest import ANSWERS, bank_rows, row

SPEC = EvaluateSpec.parse({"resamples": 100, "threads": 1, "ask": {"answers": "constrained"}})


def labelled(count):
    return [row(f"Question {i}?", label, label) for i, label in zip(range(count), list(ANSWERS) * count, strict=False)]


@pytest.fixture
def constrained(ctx, tiny, dataset_of):
    dataset = dataset_of(labelled(6), answer="label")
    return stage.run(SPEC, EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)


def test_probabilities_are_those_of_whole_answers(ctx, tiny, constrained):
    found = read_probabilities(ctx.store.path(constrained.id, "probabilities.jsonl"))
    codec, model = Codec.open(ctx.store.folder(tiny.id)), load(tiny, store=ctx.store)
    first = labelled(1)[0]
    prompt = codec.prompt_ids(first.messages[:-1])
    sums = {}
    for label in ANSWERS:
        way = codec.answer_ids(Message(role="assistant", content=label))
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(torch.tensor([[*prompt, *way]])).logits[0, len(prompt) - 1 : -1], -1)
        sums[label] = math.exp(float(logprobs[torch.arange(len(way)), list(way)].double().sum()))
    for label, value in sums.items():
        assert found[first.id][label] == pytest.approx(value / sum(sums.values()), abs=1e-4)


def test_every_answer_is_a_label_and_the_likeliest(ctx, constrained):
    found = read_probabilities(ctx.store.path(constrained.id, "probabilities.jsonl"))
    assert len(found) == 6
    assert all(sum(each.values()) == pytest.approx(1, abs=1e-6) for each in found.values())
    assert constrained.figure("ends_by_itself").value == 1.0
    share = sum(max(found[one.id], key=found[one.id].get) == one.label for one in labelled(6)) / 6
    assert constrained.figure("accuracy").value == pytest.approx(share)


def test_the_same_again_is_the_same_report(ctx, tiny, dataset_of, constrained):
    dataset = dataset_of(labelled(6), answer="label")
    assert stage.run(SPEC, EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx).id == constrained.id


def test_answers_that_hold_more_than_a_label_are_refused(ctx, tiny, dataset_of):
    with pytest.raises(DataError) as caught:
        stage.run(SPEC, EvaluateInputs(checkpoint=tiny, dataset=dataset_of(bank_rows())), ctx=ctx)
    assert (caught.value.code, caught.value.facts["answer"]) == ("evaluate.labels_not_whole", "label_then_text")


def test_probabilities_of_answers_that_are_all_unlikely_are_shares_all_the_same():
    assert shares([-2000.0, -2000.0 - math.log(3)], {"a": (1,), "b": (2,)}) == {"a": 0.75, "b": 0.25}
