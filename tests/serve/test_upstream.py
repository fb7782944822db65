"""A release of an endpoint: messages go up, text comes down, labelled and recorded as any other answer."""

import json
import threading

import openai
import pytest

from seekloop.serve.upstream.asking import Asked
from seekloop.serve.upstream.mock import MockUpstream
from seekloop.serve.upstream.relay import Relayed

HELLO = [{"role": "user", "content": "Where is my card?"}]
SAID = "Your card is on its way."


def newest(served):
    return served.world.ctx.ledger.answers()[-1]


def test_an_answer_is_the_upstreams_with_our_label_and_row(serve, upstream):
    with serve() as served:
        said = served.client.chat.completions.create(model="production", messages=HELLO)
        row = newest(served)
    assert said.choices[0].message.content == row.content == SAID
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (row.prompt_tokens, row.completion_tokens)
    assert row.prompt_tokens == 16
    assert said.system_fingerprint == row.release
    assert said.id == row.id
    assert row.messages == HELLO
    assert upstream.seen.bodies[-1]["messages"] == HELLO
    assert upstream.seen.bodies[-1]["model"] == "mock"


def test_a_stream_is_relayed_with_its_usage(serve):
    with serve() as served:
        options = {"include_usage": True}
        chunks = list(
            served.client.chat.completions.create(
                model="production", messages=HELLO, stream=True, stream_options=options
            )
        )
        row = newest(served)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == row.content == SAID
    assert {chunk.id for chunk in chunks} == {row.id}
    assert {chunk.system_fingerprint for chunk in chunks} == {row.release}
    assert chunks[-1].usage.completion_tokens == row.completion_tokens == 7


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_come_down_streamed_or_whole(serve, stream):
    with serve() as served:
        answer = served.client.chat.completions.create(
            model="production", messages=HELLO, logprobs=True, top_logprobs=1, stream=stream
        )
        choices = [chunk.choices[0] for chunk in answer] if stream else [answer.choices[0]]
    tokens = [token for choice in choices if choice.logprobs for token in choice.logprobs.content]
    assert "".join(token.token for token in tokens) == SAID
    assert {token.logprob for token in tokens} == {-0.5}


def test_log_probabilities_of_raw_text_come_down_in_a_stream(serve):
    with serve() as served:
        answer = served.client.completions.create(model="production", prompt="My card", logprobs=1, stream=True)
        told = [chunk.choices[0].logprobs for chunk in answer if chunk.choices[0].logprobs]
    assert "".join(told[-1].tokens) == SAID
    assert set(told[-1].token_logprobs) == {-0.5}


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_of_an_upstream_do_not_tell_what_was_masked(serve, upstream, stream):
    upstream.manner.words = ("Key", " sk-" + "a1" * 12, " it", " is", " so", " long", ".")
    with serve(safety={"mode": "enforce"}) as served:
        answer = served.client.chat.completions.create(
            model="production", messages=HELLO, logprobs=True, top_logprobs=1, stream=stream
        )
        choices = [chunk.choices[0] for chunk in answer] if stream else [answer.choices[0]]
    assert [choice.logprobs for choice in choices if choice.logprobs] == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("raw", [False, True])
def test_the_guard_rounds_the_log_probabilities_of_an_upstream_too(serve, stream, raw):
    with serve(guard={"chances": {"decimals": 0, "exact_for": []}}) as served:
        create = served.client.completions.create if raw else served.client.chat.completions.create
        asked = {"prompt": "My card", "logprobs": 1} if raw else {"messages": HELLO, "logprobs": True}
        answer = create(model="production", stream=stream, **asked)
        told = [one for one in (each.choices[0].logprobs for each in (answer if stream else [answer])) if one]
    values = [
        value for one in told for value in (one.token_logprobs if raw else [each.logprob for each in one.content])
    ]
    assert {abs(value) for value in values} == {0.0}


@pytest.mark.parametrize("odd", [{"content": [{"word": "Key"}]}, {"content": 3}, ["Key"], {"tokens": ["a"]}])
def test_log_probabilities_that_cannot_be_read_are_not_told_where_they_should_be_blurred(odd):
    said = Relayed(Asked(path="/chat/completions", body={"messages": []}))
    said.logprobs = odd
    said.blur(lambda _, chance: chance)
    assert said.logprobs is None


def test_decoding_goes_up_as_it_is_recorded(serve, upstream):
    with serve() as served:
        served.ask(max_tokens=3, temperature=0.5, top_p=0.9, seed=7, stop=["zzz"])
        row = newest(served)
    sent = upstream.seen.bodies[-1]
    assert row.decoding == {name: sent[name] for name in ("max_tokens", "temperature", "top_p", "seed", "stop")}
    assert (row.content, row.finish_reason) == ("Your card is", "length")


def test_a_stop_string_that_the_upstream_lets_through_is_held_back(serve):
    with serve() as served:
        said = served.ask(stop=[" on its"]).json()["choices"][0]
    assert (said["message"]["content"], said["finish_reason"]) == ("Your card is", "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_raw_text_goes_up_as_text(serve, upstream, stream):
    with serve() as served:
        said = served.client.completions.create(model="production", prompt="My card", stream=stream)
        text = "".join(chunk.choices[0].text for chunk in said) if stream else said.choices[0].text
    assert text == SAID
    assert upstream.seen.bodies[-1]["prompt"] == "My card"


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_come_down_whole(serve, upstream, stream):
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"card": 1}'}}
    upstream.manner.calls = [call]
    with serve() as served:
        answer = served.client.chat.completions.create(model="production", messages=HELLO, stream=stream)
        choices = [chunk.choices[0] for chunk in answer] if stream else [answer.choices[0]]
        row = newest(served)
    told = [each.delta.tool_calls if stream else each.message.tool_calls for each in choices]
    calls = [one for each in told for one in each or ()]
    assert [(one.id, one.function.name, one.function.arguments) for one in calls] == [("c1", "look", '{"card": 1}')]
    assert choices[-1].finish_reason == row.finish_reason == "tool_calls"
    assert json.loads(row.content) == call["function"]


def test_a_client_that_leaves_hangs_up_on_the_upstream(serve, upstream, until):
    upstream.manner.tokens, upstream.manner.pace_s = 10_000, 0.01
    with serve() as served:
        stream = served.client.chat.completions.create(model="production", messages=HELLO, stream=True)
        next(chunk for chunk in stream if chunk.choices[0].delta.content)
        stream.close()
        until(lambda: upstream.seen.left == 1)
        until(lambda: served.world.ctx.ledger.answers())
        assert newest(served).finish_reason == "cancelled"


def test_connections_are_kept(serve, upstream):
    with serve() as served:
        for _ in range(5):
            served.ask()
    assert upstream.seen.requests >= 6  # the probe's is one
    assert upstream.seen.connections == 1


def test_a_connection_that_the_upstream_closed_is_made_anew(serve, upstream):
    with serve() as served:
        assert served.ask().status_code == 200
        upstream.hang_up()
        assert served.ask().status_code == 200
        assert len(served.world.ctx.ledger.answers()) == 2
    assert upstream.seen.connections == 2


def test_an_upstream_that_breaks_off_is_asked_once_more_and_then_an_error_is_told(serve, upstream):
    with serve() as served:
        upstream.hang_up()  # else the kept connection would be made anew, which is one more
        asked = upstream.seen.requests
        upstream.manner.cut_after = 3
        refused = served.ask()
        assert upstream.seen.requests - asked == 2
    assert refused.status_code == 502
    assert refused.json()["error"]["code"] == "serve.engine_stopped"


def test_a_stream_that_breaks_off_ends_in_an_error_event(serve, upstream):
    with serve() as served:
        upstream.manner.cut_after = 3
        with pytest.raises(openai.APIError):
            list(served.client.chat.completions.create(model="production", messages=HELLO, stream=True))
        assert (newest(served).content, newest(served).finish_reason) == ("Your card is", "error")


@pytest.mark.parametrize(("status", "told", "code"), [(400, 400, "upstream.refused"), (503, 503, "upstream.busy")])
def test_what_the_upstream_refuses_is_told_with_its_words(serve, upstream, status, told, code):
    with serve() as served:
        upstream.manner.status = status
        refused = served.ask()
        assert len(served.world.ctx.ledger.answers()) == 1
    assert refused.status_code == told
    assert refused.json()["error"]["code"] == code
    assert f"told to answer {status}" in refused.json()["error"]["message"]


def test_an_upstream_that_says_nothing_is_not_waited_for_for_ever(serve, upstream):
    with serve(upstream={"silence_s": 0.1}) as served:
        upstream.manner.first_s = 60.0
        assert served.ask().status_code == 502


def test_an_upstream_that_is_gone_is_seen_and_found_again(serve, upstream, until):
    with serve() as served:
        port = int(upstream.url.rsplit(":", 1)[1].removesuffix("/v1"))
        upstream.stop()
        assert served.ask().status_code == 502
        assert served.http.get("/readyz").status_code == 503
        with MockUpstream(port=port):
            until(lambda: served.http.get("/readyz").status_code == 200)
            assert served.ask().status_code == 200


def test_many_at_once_each_get_their_own(serve, upstream):
    upstream.manner.first_s = 0.01
    with serve(streams=16) as served:
        limits = list(range(1, 8)) * 4
        answers = {}

        def ask(place, limit):
            answers[place] = served.ask(max_tokens=limit).json()["usage"]["completion_tokens"]

        threads = [threading.Thread(target=ask, args=each) for each in enumerate(limits)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(served.world.ctx.ledger.answers()) == len(limits)
    assert [answers[place] for place in range(len(limits))] == limits
