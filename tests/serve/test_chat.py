"""OpenAI's own client, unmodified, against the gateway on a real socket."""

import json

import pytest

from seekloop.artifact.rows import Message

SCRIPT = {"Where is my card?": "card_arrival\nIt is on its way.", "你好": "您好，请问有什么可以帮您？"}


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a", SCRIPT)) as served:
        yield served


def ask(served, text="Where is my card?", **fields):
    messages = [{"role": "user", "content": text}]
    return served.client.chat.completions.create(model="production", messages=messages, **fields)


def test_a_whole_answer_is_what_the_model_said(served):
    answer = ask(served)
    assert answer.choices[0].message.content == SCRIPT["Where is my card?"]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "production"


def test_a_stream_adds_up_to_the_whole_answer(served):
    for question, reply in SCRIPT.items():
        chunks = list(ask(served, question, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == reply
        assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
        assert chunks[0].choices[0].delta.role == "assistant"


def test_usage_counts_the_tokens_of_prompt_and_answer(served):
    question, reply = next(iter(SCRIPT.items()))
    prompt, answer = served.world.lines(question, reply)
    usage = ask(served, question).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (len(prompt), len(answer))
    assert usage.total_tokens == len(prompt) + len(answer)


def test_usage_comes_last_in_a_stream_without_choices_and_only_when_asked_for(served):
    chunks = list(ask(served, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage == ask(served).usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert all("usage" not in chunk.model_fields_set for chunk in ask(served, stream=True))


def test_the_answer_ends_at_the_token_limit(served):
    for name in ("max_tokens", "max_completion_tokens"):
        answer = ask(served, **{name: 3})
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage.completion_tokens == 3


def test_the_answer_ends_before_a_stop_string(served):
    answer = ask(served, stop=["\n", "never"])
    assert answer.choices[0].message.content == "card_arrival"
    assert answer.choices[0].finish_reason == "stop"
    streamed = ask(served, stop="on its", stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "card_arrival\nIt is "


def test_the_gateways_own_limit_caps_every_answer(world):
    with world.serving(world.release("a", SCRIPT), max_tokens=2) as served:
        assert ask(served, max_tokens=500).usage.completion_tokens == 2


def test_an_answer_never_runs_past_the_context(world):
    question, reply = next(iter(SCRIPT.items()))
    prompt, _ = world.lines(question, reply)
    with world.serving(world.release("a", SCRIPT), context=len(prompt) + 3) as served:
        answer = ask(served, question, max_tokens=500)
    assert (answer.usage.total_tokens, answer.choices[0].finish_reason) == (len(prompt) + 3, "length")


def test_reasoning_comes_apart_from_the_content_under_both_names(thinking_world):
    script = {"Why?": Message(role="assistant", content="So.", reasoning="Because.")}
    with thinking_world.serving(thinking_world.release("a", script)) as served:
        message = ask(served, "Why?").choices[0].message
        deltas = [chunk.choices[0].delta.model_dump() for chunk in ask(served, "Why?", stream=True)]
    assert (message.content, message.reasoning_content, message.reasoning) == ("So.", "Because.", "Because.")
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "Because."
    assert "".join(delta.get("content") or "" for delta in deltas) == "So."


def test_a_tool_call_comes_in_openais_form_whole_and_streamed(world):
    tool = {"type": "function", "function": {"name": "block_card", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "c1", "type": "function", "function": {"name": "block_card", "arguments": '{"last4": "1234"}'}}
    release = world.release("a")
    prompt, reply = world.lines("Block it", Message(role="assistant", tool_calls=(call,)), tools=[tool])
    world.scripts[release.checkpoint] = {prompt: reply}
    with world.serving(release) as served:
        whole = ask(served, "Block it", tools=[tool]).choices[0]
        *_, said, end = ask(served, "Block it", tools=[tool], stream=True)
    assert whole.finish_reason == end.choices[0].finish_reason == "tool_calls"
    for made in (whole.message.tool_calls[0], said.choices[0].delta.tool_calls[0]):
        assert (made.type, made.function.name) == ("function", "block_card")
        assert json.loads(made.function.arguments) == {"last4": "1234"}
    assert "block_card" in world.ctx.ledger.answers()[0].content


def test_the_releases_system_message_stands_before_conversations_that_have_none(world):
    release = world.release("a", system="You are a bank.")
    with world.serving(release) as served:
        plain = ask(served).usage.prompt_tokens
        own = [{"role": "system", "content": "You are a bank."}, {"role": "user", "content": "Where is my card?"}]
        same = served.client.chat.completions.create(model="production", messages=own).usage.prompt_tokens
        other = [{"role": "developer", "content": "X"}, {"role": "user", "content": "Where is my card?"}]
        shorter = served.client.chat.completions.create(model="production", messages=other).usage.prompt_tokens
    assert plain == same > shorter


def test_text_parts_are_one_text(served):
    parts = [{"type": "text", "text": "Where is"}, {"type": "text", "text": " my card?"}]
    assert ask(served, parts).choices[0].message.content == SCRIPT["Where is my card?"]


def test_unknown_fields_are_let_through(served):
    answer = served.ask("Where is my card?", user="u1", store=False, metadata={"a": "b"}, service_tier="auto", n=1)
    assert answer.status_code == 200


def test_the_models_are_the_alias_and_the_release_it_stands_for(served):
    release = served.http.get("/v1/releases").json()["serving"]["release"]
    assert [model.id for model in served.client.models.list()] == ["production", release]
    assert served.client.models.retrieve("production").id == "production"
    pinned = served.client.chat.completions.create(model=release, messages=[{"role": "user", "content": "Hi"}])
    assert pinned.system_fingerprint == release


def test_every_part_of_an_answer_names_answer_and_release(served):
    whole = served.ask()
    release = served.gateway.pool.serving.release.id
    assert whole.headers["x-seekloop-release"] == whole.json()["system_fingerprint"] == release
    assert whole.headers["x-seekloop-answer"] == whole.json()["id"]
    streamed = served.ask(stream=True, stream_options={"include_usage": True})
    chunks = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    assert {chunk["system_fingerprint"] for chunk in chunks} == {streamed.headers["x-seekloop-release"]} == {release}
    assert {chunk["id"] for chunk in chunks} == {streamed.headers["x-seekloop-answer"]}
    assert streamed.text.endswith("data: [DONE]\n\n")
    rows = [answer.id for answer in served.world.ctx.ledger.answers()]
    assert rows[-2:] == [whole.json()["id"], chunks[0]["id"]]
