"""openai-python's higher calls and its typed exceptions, unmodified."""

from typing import Literal

import openai
import pytest
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "Where is my card?"}]


class Case(BaseModel):
    label: Literal["card_arrival", "card_lost"]
    sure: bool


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a")) as served:
        yield served


def test_an_answer_is_parsed_into_a_pydantic_model(served):
    answer = served.client.chat.completions.parse(model="production", messages=HELLO, response_format=Case)
    assert answer.choices[0].message.parsed.label in ("card_arrival", "card_lost")


def test_a_streamed_answer_is_parsed_too(served):
    asked = {"model": "production", "messages": HELLO, "response_format": Case}
    with served.client.chat.completions.stream(**asked) as events:
        kinds = {event.type for event in events}
        answer = events.get_final_completion()
    assert answer.choices[0].message.parsed.label in ("card_arrival", "card_lost")
    assert {"content.delta", "content.done"} <= kinds


def test_a_forced_tool_is_parsed_into_its_arguments(served):
    tool = openai.pydantic_function_tool(Case, name="look_up")
    asked = {"model": "production", "messages": HELLO, "tools": [tool], "tool_choice": "required", "max_tokens": 300}
    (call,) = served.client.chat.completions.parse(**asked).choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Case)


ERRORS = {
    "no such model": ({"model": "gpt-4o"}, openai.NotFoundError, "model_not_found"),
    "a prompt that is too long": (
        {"messages": [{"role": "user", "content": "9" * 9000}]},
        openai.BadRequestError,
        "context_length_exceeded",
    ),
    "a wrong field": ({"temperature": 9}, openai.BadRequestError, "invalid_value"),
    "a schema that cannot be kept": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "x"}}}},
        openai.BadRequestError,
        "grammar.bad_schema",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_refusal_is_the_exception_that_the_client_has_for_it(served, name):
    fields, kind, code = ERRORS[name]
    with pytest.raises(kind) as refused:
        served.client.chat.completions.create(**{"model": "production", "messages": HELLO, **fields})
    assert refused.value.code == code
    assert refused.value.param


def test_a_wrong_key_is_the_clients_exception_for_it(served):
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        stranger.models.list()
    assert refused.value.code == "invalid_api_key"
