"""Answers read back token by token as they read back whole."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.model.codec import Codec, Delta
from tests.model.conversations import CALLS, FAMILIES, HOSTILE, WITH_TOOLS, assistant, call, codec_of, deepseek

THOUGHT = {"deepseek-v3": "<think>\n我想想\n</think>\n\n", "r1-distill-qwen": "我想想\n</think>\n\n"}


def streamed(codec: Codec, ids: tuple[int, ...]) -> list[Delta]:
    stream = codec.stream()
    return [*[stream.push(id_) for id_ in ids], stream.finish()]


def agrees(codec: Codec, ids: tuple[int, ...]) -> None:
    deltas, parsed = streamed(codec, ids), codec.parse(ids)
    assert "".join(delta.content for delta in deltas) == parsed.content
    assert ("".join(delta.reasoning for delta in deltas) or None) == parsed.reasoning
    assert deltas[-1].tool_calls == parsed.tool_calls


@pytest.mark.parametrize("family", FAMILIES)
@given(content=HOSTILE, reasoning=st.none() | HOSTILE, cut=st.integers(0, 40))
def test_deltas_add_up_to_the_whole_answer_wherever_it_is_cut(family, content, reasoning, cut):
    codec = codec_of(family)
    ids = codec.prompt_ids([assistant(f"{reasoning}{content}")])[-60:]
    agrees(codec, ids[: len(ids) - cut])


@pytest.mark.parametrize("family", FAMILIES)
@given(ids=st.lists(st.integers(0, 400), max_size=30).map(tuple))
def test_any_ids_at_all_can_be_read(family, ids):
    agrees(codec_of(family), ids)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", ["你好，世界", "😀👩‍👩‍👧", "naïve ö", "𠮷野家"])
def test_no_delta_holds_half_a_character(family, text):
    codec = codec_of(family)
    deltas = streamed(codec, codec.answer_ids(assistant(text, reasoning=text)))
    assert all("\ufffd" not in delta.content + delta.reasoning for delta in deltas)
    assert len([delta for delta in deltas if delta.content]) > 1, "it streams"


@pytest.mark.parametrize("family", FAMILIES)
def test_no_delta_holds_a_part_of_a_tag(family):
    codec = codec_of(family)
    deltas = streamed(codec, codec.answer_ids(assistant("4", reasoning="2 < 3 </b>")))
    assert "".join(delta.reasoning for delta in deltas) == "2 < 3 </b>"
    assert "".join(delta.content for delta in deltas) == "4"
    for delta in deltas:
        assert not any(part in delta.content + delta.reasoning for part in ("<th", "</t", "think", "\n"))


@pytest.mark.parametrize("family", WITH_TOOLS)
@given(content=st.sampled_from(["", "看一下", "a\n", "\n"]), calls=CALLS)
def test_no_delta_holds_a_part_of_a_tool_call(family, content, calls):
    codec = codec_of(family)
    deltas = streamed(codec, codec.answer_ids(assistant(content, tool_calls=calls)))
    assert "".join(delta.content for delta in deltas) == content
    assert len(deltas[-1].tool_calls) == len(calls)


@pytest.mark.parametrize("family", WITH_TOOLS)
def test_a_broken_tool_call_is_given_as_text(family):
    codec = codec_of(family)
    answer = codec.answer_ids(assistant("", tool_calls=(call(city="北京"),)))
    parsed = codec.parse(answer[:-6])
    assert parsed.tool_calls == ()
    assert "weather" in parsed.content


@pytest.mark.parametrize("family", ["deepseek-v3", "r1-distill-qwen"])
def test_reasoning_that_was_cut_off_is_no_content(family):
    codec = codec_of(family)
    whole = codec.answer_ids(assistant("4", reasoning="two and two"))
    assert codec.parse(whole[:-6]).content == ""
    assert (codec.parse(whole[:-6]).reasoning or "").startswith("two")


def test_nothing_after_the_first_stop_token_is_read():
    codec = codec_of("smollm2")
    answer = codec.answer_ids(assistant("yes"))
    assert codec.parse(answer + codec.answer_ids(assistant("no"))).content == "yes"


def test_control_tokens_without_a_meaning_in_an_answer_are_left_out():
    codec = codec_of("deepseek-v3")
    ids = codec.prompt_ids([assistant("b")])
    assert codec.parse(ids[:-1]).content == "b"
    assert codec.parse([ids[0], *codec.answer_ids(assistant("x"))]).content == "x"


def test_random_ids_of_deepseek_s_own_tokenizer_decode_as_in_its_own_library():
    codec, tokenizer = deepseek()
    draw = random.Random(0)
    for _ in range(200):
        ids = [draw.randrange(128000) for _ in range(12)]
        assert codec.decode(ids) == tokenizer.decode(ids, skip_special_tokens=False)
