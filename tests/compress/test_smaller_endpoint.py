"""A teacher behind an endpoint: its likeliest tokens where they are ours, its answers otherwise."""

from __future__ import annotations

import json
import math

import pytest

from seekloop.artifact.rows import Message
from seekloop.compress.smaller.endpoint import Endpointed
from seekloop.compress.smaller.spec import EndpointTeacher
from seekloop.compress.spec import CompressInputs, CompressSpec
from seekloop.compress.stage import run
from seekloop.runtime import models
from tests.compress.small_rows import dataset_of, row
from tests.data.teacher_stub import serving

TEXT = "It is so."
TRAINING = {"epochs": 1, "max_steps": 2, "learning_rate": 1e-3}


@pytest.fixture
def codec(ctx, tiny):
    return models.codec_of(tiny, store=ctx.store)


@pytest.fixture
def told(codec):
    """A script whose answer is told token by token, each beside another that is a little less likely."""
    ids = codec.answer_ids(Message(role="assistant", content=TEXT))[:-1]
    other = codec.decode([ids[0] + 1])
    others = [top(other, 0.3), top("🦜x", 0.05)]
    content = [{"token": text, "top_logprobs": [top(text, 0.6), *others]} for text in map(codec.decode, zip(ids))]
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    return lambda body, number: {"choices": [{**choice, "logprobs": {"content": content}}]}


def top(text, probability):
    return {"token": text, "logprob": math.log(probability)}


def teacher(url, codec, ctx, **changes):
    spec = EndpointTeacher.parse({"endpoint": {"url": url, "model": "m", "temperature": 0}, **changes})
    return Endpointed(spec=spec, codec=codec, k=8, ctx=ctx)


def test_told_tokens_become_targets_and_strangers_the_rest(ctx, codec, told):
    with serving(told) as stub:
        one = teacher(stub.url, codec, ctx)
        (answer,) = one.answers([row(1)])
    (view,) = codec.views(answer)
    targets = one.targets([view])[view]
    assert targets.log_probs[0, :2].exp().tolist() == pytest.approx([0.6, 0.3])
    assert targets.rest[0].exp().item() == pytest.approx(0.1)
    assert targets.ids[0, 0] == view.labels[-len(targets.ids)]
    assert targets.log_probs[-1, 0] == 0.0


def test_other_tokens_are_learned_as_answers(ctx, codec):
    script = {"choices": [{"message": {"content": TEXT}, "logprobs": {"content": [{"token": TEXT}]}}]}
    with serving(lambda body, number: script) as stub:
        one = teacher(stub.url, codec, ctx)
        (answer,) = one.answers([row(1)])
    (view,) = codec.views(answer)
    assert (one.targets([view])[view].log_probs.exp().sum(1) == 1).all()


def test_an_endpoint_is_asked_once_for_each_question(ctx, codec, told):
    with serving(told) as stub:
        for _ in range(2):
            teacher(stub.url, codec, ctx).answers([row(1), row(2)])
        assert len(stub.requests) == 2
        assert stub.requests[0]["top_logprobs"] == 20


def test_a_student_learns_from_an_endpoint(ctx, tiny, told):
    with serving(told) as stub:
        method = {
            "type": "distil",
            "answers": "teacher",
            "training": TRAINING,
            "teacher": {"type": "endpoint", "endpoint": {"url": stub.url, "model": "m"}},
            "allow": {"kl": 20},
        }
        inputs = CompressInputs(checkpoint=tiny, dataset=dataset_of(ctx))
        made = run(CompressSpec.parse({"method": method}), inputs, ctx=ctx)
    facts = json.loads(ctx.store.path(made.id, "smaller.json").read_text())
    assert facts["kl"] < facts["kl_untaught"]
