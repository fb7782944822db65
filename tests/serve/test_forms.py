"""Answers of a wanted form, on every local engine: a random model, which would never write JSON by itself, does."""

import json

import openai
import pytest

from seekloop.compress import stage as compress
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod, OpenVinoMethod
from seekloop.runtime.tiny import tiny_base
from seekloop.serve.engines import opener
from seekloop.serve.options import GatewayOptions

HELLO = [{"role": "user", "content": "Where is my card?"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"enum": ["card_arrival", "card_lost"]},
        "sure": {"type": "boolean"},
        "places": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "maxItems": 2},
    },
    "required": ["label", "sure", "places"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "case", "schema": SCHEMA, "strict": True}}
TOOLS = [
    {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "block_card", "parameters": {"properties": {}, "maxProperties": 0}}},
]
METHODS = {
    "llamacpp": GgufMethod(precision="f32"),
    "openvino": OpenVinoMethod(precision="f32"),
}


@pytest.fixture(scope="module", params=["torch", "llamacpp", "openvino"])
def served(request, lasting_world):
    """The tiny model of a family with tools on one of the engines."""
    world = lasting_world
    form = tiny_base(world.ctx, family=world.codec.card.name)
    if request.param in METHODS:
        form = compress.run(CompressSpec(method=METHODS[request.param]), CompressInputs(checkpoint=form), ctx=world.ctx)
    options = GatewayOptions(engine=request.param, threads=1, streams=4, context=1500)
    start = opener(world.ctx.store, options)
    with world.serving(world.release_of(form), opener=start, streams=4, context=1500) as served:
        yield served


def ask(served, **fields):
    return served.client.chat.completions.create(model="production", messages=HELLO, **{"max_tokens": 120, **fields})


def is_a_case(text):
    value = json.loads(text)
    assert list(value) == ["label", "sure", "places"]
    assert value["label"] in ("card_arrival", "card_lost")
    assert isinstance(value["sure"], bool)
    assert all(0 <= place <= 9 for place in value["places"])
    assert len(value["places"]) <= 2
    return True


@pytest.mark.parametrize("temperature", [0, 1])
def test_an_answer_satisfies_its_schema(served, temperature):
    (choice,) = ask(served, response_format=FORMAT, temperature=temperature, seed=3).choices
    assert choice.finish_reason == "stop"
    assert is_a_case(choice.message.content)


def test_a_streamed_answer_satisfies_it_too_and_is_the_same(served):
    chunks = list(ask(served, response_format=FORMAT, temperature=0, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert is_a_case(text)
    assert text == ask(served, response_format=FORMAT, temperature=0).choices[0].message.content


def test_an_answer_that_was_cut_off_is_not_called_complete(served):
    (choice,) = ask(served, response_format=FORMAT, max_tokens=3).choices
    assert choice.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(choice.message.content)


def test_a_forced_tool_is_called_with_arguments_that_satisfy_its_schema(served):
    named = {"type": "function", "function": {"name": "look_up"}}
    (choice,) = ask(served, tools=TOOLS, tool_choice=named).choices
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, call.function.name) == ("tool_calls", "look_up")
    assert is_a_case(call.function.arguments)


def test_where_any_tool_is_required_one_of_them_is_called(served):
    (choice,) = ask(served, tools=TOOLS, tool_choice="required", temperature=1, seed=1).choices
    (call,) = choice.message.tool_calls
    assert call.id
    if call.function.name == "look_up":
        assert is_a_case(call.function.arguments)
    else:
        assert (call.function.name, json.loads(call.function.arguments)) == ("block_card", {})


def test_log_probabilities_come_with_a_guided_answer(served):
    (choice,) = ask(served, response_format=FORMAT, logprobs=True, top_logprobs=2).choices
    said = b"".join(bytes(token.bytes) for token in choice.logprobs.content)
    assert said.decode() == choice.message.content
    assert all(token.logprob <= 0 for token in choice.logprobs.content)


def test_presence_and_frequency_penalties_change_what_a_model_repeats(served):
    plain, fined = (ask(served, max_tokens=12, temperature=0, frequency_penalty=fine) for fine in (None, 2.0))
    words = [answer.choices[0].message.content for answer in (plain, fined)]
    assert words[0] != words[1]


def test_a_biased_token_is_what_is_said_or_the_engine_is_named_that_cannot(served):
    id_ = served.world.codec.plain_ids("!")[0]
    if served.gateway.pool.serving.engine.startswith("openvino"):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(served, logit_bias={str(id_): 100})
        assert refused.value.code == "grammar.cannot"
        assert "logit_bias" in refused.value.message
    else:
        assert ask(served, max_tokens=4, temperature=0, logit_bias={str(id_): 100}).choices[0].message.content == "!!!!"


def test_an_embedding_is_a_unit_vector(served):
    near, same, far = served.client.embeddings.create(model="production", input=["Hi there", "Hi there", "9"]).data
    assert sum(one * one for one in near.embedding) == pytest.approx(1, abs=1e-5)
    assert near.embedding == pytest.approx(same.embedding, abs=1e-5)
    assert near.embedding != pytest.approx(far.embedding, abs=1e-3)
