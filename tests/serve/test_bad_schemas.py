"""A schema or a tool that cannot be kept to is refused before any engine sees it, with what is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.serve.answer_grammar import check_format
from seekloop.serve.protocol import ChatRequest
from seekloop.system.errors import UsageError

HELLO = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def nested(depth):
    schema = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def schema(value):
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": value}}}


BAD = {
    "an unknown type": (schema({"type": "strin"}), "grammar.bad_schema"),
    "a broken pattern": (schema({"type": "string", "pattern": "a("}), "grammar.bad_schema"),
    "a pattern that looks behind": (schema({"type": "string", "pattern": "(?<=a)b"}), "grammar.bad_schema"),
    "a reference to nowhere": (schema({"$ref": "#/$defs/none"}), "grammar.bad_schema"),
    "a reference to another host": (schema({"$ref": "http://example.com/s.json"}), "grammar.bad_schema"),
    "nothing can satisfy it": (schema({"type": "integer", "minimum": 3, "maximum": 2}), "grammar.bad_schema"),
    "an unknown keyword's meaning": (schema({"not": {"type": "string"}}), "grammar.bad_schema"),
    "too deep": (schema(nested(60)), "grammar.too_large"),
    "too long": (schema({"enum": ["x" * 70_000]}), "grammar.too_large"),
    "a stop string": ({**schema({"type": "object"}), "stop": "}"}, "grammar.with_stop"),
    "a penalty": ({**schema({"type": "object"}), "presence_penalty": 1.0}, "grammar.with_penalties"),
    "a tool that is not there": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        "grammar.no_tool",
    ),
    "a tool with a strange name": (
        {"tools": [{"type": "function", "function": {"name": 'a"b'}}], "tool_choice": "required"},
        "grammar.bad_name",
    ),
}


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a")) as served:
        yield served


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named(served, name):
    fields, code = BAD[name]
    refused = served.ask(**fields)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)
    assert refused.json()["error"]["param"]


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "xml"}},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "s"}}},
        {"response_format": "json"},
        {"tool_choice": "required"},
        {"tool_choice": "always"},
        {"n": 0},
        {"n": 9},
        {"presence_penalty": 3},
        {"logit_bias": {"a": 1}},
        {"logit_bias": {"1": 101}},
    ],
)
def test_a_field_of_a_wrong_form_is_refused(served, fields):
    assert served.ask(**fields).status_code == 400


def test_the_librarys_own_dials_are_not_the_clients(served):
    lenient = {"type": "object", "not": {}, "x-guidance": {"lenient": True}}
    assert served.ask(**schema(lenient)).json()["error"]["code"] == "grammar.bad_schema"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["string", "object", "array", "(", "[a-z]+", "#"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "enum", "pattern", "required", "anyOf", "$ref", "minimum", "maxItems"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "items", "anyOf", "enum", "pattern"]), values))
def test_any_schema_at_all_is_taken_or_refused_with_a_reason(value):
    request = ChatRequest.model_validate_json(json.dumps({"model": "m", "messages": HELLO, **schema(value)}))
    try:
        check_format(request)
    except UsageError as error:
        assert error.code.startswith("grammar.")
        assert error.sentence("en")
