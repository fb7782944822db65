"""Several answers to one question, log-probabilities in streams, and embeddings: each answer has its own row."""

import base64
import struct

import openai
import pytest

HELLO = [{"role": "user", "content": "Hi"}]
SCRIPT = {"Hi": "Good morning, what can I do for you?"}


@pytest.fixture(scope="module")
def served(lasting_world):
    with lasting_world.serving(lasting_world.release("a", SCRIPT)) as served:
        yield served


def ask(served, **fields):
    return served.client.chat.completions.create(model="production", messages=HELLO, **fields)


def rows(served):
    return served.world.ctx.ledger.answers()


def test_each_of_several_choices_is_an_answer_of_its_own(served):
    before = len(rows(served))
    answer = ask(served, n=3, temperature=0)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.message.content for choice in answer.choices} == {SCRIPT["Hi"]}
    assert [choice.answer for choice in answer.choices] == [row.id for row in rows(served)[before:]]
    assert answer.id == answer.choices[0].answer
    assert answer.usage.completion_tokens == sum(row.completion_tokens for row in rows(served)[before:])


def test_choices_with_a_seed_are_drawn_with_seeds_of_their_own(served):
    before = len(rows(served))
    ask(served, n=3, temperature=1, seed=5)
    assert sorted(row.decoding["seed"] for row in rows(served)[before:]) == [5, 6, 7]


def test_a_stream_tells_its_choices_apart_and_ends_each(served):
    chunks = list(ask(served, n=2, stream=True, stream_options={"include_usage": True}))
    said = ["", ""]
    ends = []
    for chunk in chunks[:-1]:
        (choice,) = chunk.choices
        said[choice.index] += choice.delta.content or ""
        ends += [choice.index] if choice.finish_reason else []
    assert said == [SCRIPT["Hi"]] * 2
    assert sorted(ends) == [0, 1]
    assert chunks[-1].usage == ask(served, n=2).usage


def test_a_stream_tells_the_log_probabilities_of_the_whole_answer(served):
    whole = ask(served, logprobs=True, top_logprobs=1).choices[0].logprobs.content
    chunks = list(ask(served, logprobs=True, top_logprobs=1, stream=True))
    told = [token for chunk in chunks if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
    assert told == whole


def test_how_sure_an_answer_was_is_recorded_where_somebody_asked(served):
    before = len(rows(served))
    ask(served)
    told = ask(served, logprobs=True).choices[0].logprobs.content
    silent, recorded = rows(served)[before:]
    assert "logprob" not in silent.decoding
    assert recorded.decoding["logprob"] == pytest.approx(sum(one.logprob for one in told) / len(told), abs=1e-3)


def test_a_raw_stream_tells_them_too_with_where_each_token_begins(served):
    asked = {"model": "production", "prompt": "Hi you", "logprobs": 1, "max_tokens": 6}
    whole = served.client.completions.create(**asked).choices[0].logprobs
    chunks = list(served.client.completions.create(**asked, stream=True))
    told = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    assert [token for one in told for token in one.tokens] == whole.tokens
    assert [at for one in told for at in one.text_offset] == whole.text_offset


def test_raw_completions_give_several_answers_a_prompt(served):
    answer = served.client.completions.create(model="production", prompt=["a b", "c d"], n=2, max_tokens=3)
    texts = [choice.text for choice in answer.choices]
    assert texts[0] == texts[1] != texts[2] == texts[3]


def test_one_embedding_a_text_each_with_its_row(served):
    before = len(rows(served))
    told = served.client.embeddings.create(model="production", input=["one", "two"])
    assert [one.index for one in told.data] == [0, 1]
    assert told.data[0].embedding != told.data[1].embedding
    assert [one.answer for one in told.data] == [row.id for row in rows(served)[before:]]
    assert all(row.decoding["embeds"] for row in rows(served)[before:])
    assert told.usage.prompt_tokens == sum(row.prompt_tokens for row in rows(served)[before:])


def test_base64_and_floats_are_the_same_vector(served):
    body = {"model": "production", "input": "one", "encoding_format": "base64"}
    packed = served.http.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    plain = served.http.post("/v1/embeddings", json={"model": "production", "input": "one"}).json()["data"][0]
    floats = struct.unpack(f"<{len(plain['embedding'])}f", base64.b64decode(packed))
    assert list(floats) == pytest.approx(plain["embedding"], abs=1e-6)


def test_fewer_dimensions_are_the_first_ones_scaled_to_length_one(served):
    full, short = (
        served.client.embeddings.create(model="production", input="one", dimensions=n).data[0].embedding for n in (8, 3)
    )
    assert sum(one * one for one in short) == pytest.approx(1, abs=1e-6)
    assert short[1] / short[0] == pytest.approx(full[1] / full[0], abs=1e-5)
    with pytest.raises(openai.BadRequestError) as refused:
        served.client.embeddings.create(model="production", input="one", dimensions=9)
    assert (refused.value.code, refused.value.param) == ("serve.too_wide", "dimensions")


def test_texts_as_ids_give_the_same_embedding(served):
    ids = list(served.world.codec.raw_ids("one"))
    words, numbers, listed = (
        served.client.embeddings.create(model="production", input=asked).data[0].embedding
        for asked in ("one", ids, [ids])
    )
    assert words == numbers == listed


def test_ratings_are_kept_by_dimension(served):
    answer = ask(served).id
    told = served.http.post("/v1/ratings", json={"answer": answer, "ratings": {"tone": 5, "correctness": 2}})
    assert told.json()["recorded"]
    assert served.world.ctx.ledger.feedback(answer=answer)[0].ratings == {"tone": 5, "correctness": 2}
    refused = served.http.post("/v1/ratings", json={"answer": answer, "ratings": {"tone": 6}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "ratings.tone")


def test_a_refusal_is_told_in_the_language_that_is_asked_for(served):
    body = {"model": "gpt-9", "messages": HELLO}
    told = [
        served.http.post("/v1/chat/completions", json=body, headers={"Accept-Language": language}).json()["error"]
        for language in ("zh-CN,zh;q=0.9,en;q=0.8", "en-GB", "fr")
    ]
    assert "此处没有提供模型" in told[0]["message"]
    assert "no model gpt-9" in told[1]["message"]
    assert {error["param"] for error in told} == {"model"}
