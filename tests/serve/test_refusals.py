"""Requests that cannot be answered are told why, in OpenAI's error shape, and leave no row."""

import json

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

HELLO = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a")) as served:
        yield served


BAD = {
    "no messages": ({"messages": []}, "messages"),
    "messages missing": ({"messages": None}, "messages"),
    "an unknown role": ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages.0.role"),
    "content that is a number": ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content.str"),
    "an image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages.0.content",
    ),
    "half a surrogate pair": ({"messages": [{"role": "user", "content": "\ud800"}]}, None),
    "temperature as text": ({"temperature": "0.5"}, "temperature"),
    "temperature too high": ({"temperature": 2.5}, "temperature"),
    "top_p of zero": ({"top_p": 0}, "top_p"),
    "no tokens at all": ({"max_tokens": 0}, "max_tokens"),
    "tokens as text": ({"max_tokens": "12"}, "max_tokens"),
    "nine choices": ({"n": 9}, "n"),
    "stream as text": ({"stream": "yes"}, "stream"),
    "an empty stop string": ({"stop": ""}, "stop"),
    "five stop strings": ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    "log probabilities": ({"logprobs": 3}, "logprobs"),
    "a message without content": ({"messages": [{"role": "user"}]}, "messages.0"),
    "a tool without a name": ({"tools": [{"type": "function", "function": {}}]}, "tools.0"),
    "a forced tool where there is none": ({"tool_choice": "required"}, None),
    "an unknown response format": ({"response_format": {"type": "xml"}}, "response_format"),
    "a penalty that is too high": ({"presence_penalty": 2.5}, "presence_penalty"),
    "a bias of no token": ({"logit_bias": {"card": 1}}, "logit_bias"),
    "no number at all": ({"metadata": {"x": float("nan")}}, None),
    "a model that is a list": ({"model": ["production"]}, "model"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_field_is_named(served, name):
    fields, param = BAD[name]
    body = {"model": "production", "messages": HELLO, **fields}
    refused = served.http.post(
        "/v1/chat/completions", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    error = refused.json()["error"]
    assert refused.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert (error["param"] or "").startswith(param or "")
    assert error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"model": NaN}', b"\xff\xfe", b"[" * 50_000])
def test_what_is_no_json_object_is_refused(served, body):
    refused = served.http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_a_model_that_is_not_served_is_not_found_and_the_right_one_is_named(served):
    with pytest.raises(openai.NotFoundError) as refused:
        served.client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert refused.value.code == "model_not_found"
    assert "production" in refused.value.message


def test_a_prompt_that_is_too_long_is_refused_with_its_length(served):
    with pytest.raises(openai.BadRequestError) as refused:
        served.client.chat.completions.create(model="production", messages=[{"role": "user", "content": "9" * 3000}])
    assert refused.value.code == "context_length_exceeded"
    assert "2048" in refused.value.message


def test_tools_are_refused_by_a_family_that_has_none(toolless_world):
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    with (
        toolless_world.serving(toolless_world.release("a")) as served,
        pytest.raises(openai.BadRequestError) as refused,
    ):
        served.client.chat.completions.create(model="production", messages=HELLO, tools=[tool])
    assert refused.value.code == "model.no_tools"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
message = st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name"]), anything, max_size=4)
fields = st.dictionaries(
    st.sampled_from(
        ["model", "messages", "stream", "stop", "tools", "max_tokens", "seed", "temperature", "logit_bias"]
    ),
    anything | st.lists(message, max_size=2),
    max_size=4,
)


@given(fields)
def test_no_body_at_all_makes_the_gateway_fail(served, fields):
    content = json.dumps({"model": "production", "messages": HELLO, **fields})
    answer = served.http.post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400, 404)


def test_an_unknown_route_and_a_wrong_method_are_told_in_the_same_shape(served):
    assert served.http.get("/v1/nowhere").json()["error"]["type"] == "invalid_request_error"
    assert served.http.get("/v1/chat/completions").status_code == 405


def test_refused_requests_leave_no_row_and_hold_no_stream(served):
    before = len(served.world.ctx.ledger.answers())
    for _ in range(20):
        assert served.ask("9" * 3000).status_code == 400
        assert served.ask(model="other").status_code == 404
    assert served.ask().status_code == 200
    assert len(served.world.ctx.ledger.answers()) == before + 1
    assert served.http.get("/v1/releases").json()["serving"]["in_flight"] == 0


def test_before_anything_is_promoted_requests_are_told_so(world):
    with world.serving() as served:
        assert served.http.get("/readyz").status_code == 503
        with pytest.raises(openai.InternalServerError) as refused:
            served.client.chat.completions.create(model="production", messages=HELLO)
        assert refused.value.status_code == 503
        assert refused.value.code == "serve.nothing_served"
        assert refused.value.response.headers["retry-after"] == "1"
