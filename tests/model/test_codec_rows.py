"""The invariant of `design/codec.md`: what is trained is what is served."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.rows import Message, Row
from seekloop.model.codec import Codec
from seekloop.model.families import card
from seekloop.model.tool_calls import calls_of
from seekloop.system.errors import DataError, ModelError
from tests.model.conversations import (
    FAMILIES,
    HOSTILE,
    PLAIN,
    WEATHER,
    WITH_TOOLS,
    WITHOUT_TOOLS,
    assistant,
    call,
    codec_of,
    deepseek,
    row,
    turns,
    user,
)


def trained(row: Row) -> list[int]:
    return [i for i, message in enumerate(row.messages) if message.role == "assistant" and message.train is not False]


def check(codec: Codec, row: Row) -> None:
    """Every trained turn, once, after its own prompt; labels nowhere else; one BOS; the answer reads back."""
    views, left = codec.views(row), trained(row)
    for view in views:
        labels = [-100] * len(view.ids)
        while left and left[0] <= view.turn:
            message = row.messages[left[0]]
            prompt = codec.prompt_ids(row.messages[: left.pop(0)], tools=row.tools)
            answer = codec.answer_ids(message)
            assert view.ids[: len(prompt)] == prompt
            assert view.ids[len(prompt) :][: len(answer)] == answer
            labels[len(prompt) : len(prompt) + len(answer)] = answer
            reads_back(codec, message, answer)
        assert view.labels == tuple(labels)
        assert view.labels[-1] == codec.eos_id
        assert codec.bos_id is None or [i for i, id_ in enumerate(view.ids) if id_ == codec.bos_id] == [0]
    assert left == []
    for view, later in pairwise(views):
        assert codec.prompt_ids(row.messages[: later.turn], tools=row.tools)[: len(view.ids)] != view.ids


def reads_back(codec: Codec, message: Message, answer: tuple[int, ...]) -> None:
    parsed = codec.parse(answer)
    assert (parsed.content, parsed.reasoning) == (message.content, message.reasoning or None)
    assert calls_of(assistant("", tool_calls=parsed.tool_calls)) == calls_of(message)
    assert parsed == codec.parse(answer[:-1]), "the engine leaves the stop id out"
    assert codec.decode(answer).endswith(card(codec.card.name).tokens.eos)
    assert message.content in codec.decode(answer)


@pytest.mark.parametrize("family", FAMILIES)
@given(messages=turns(PLAIN))
def test_a_trained_turn_follows_exactly_the_ids_that_a_server_sends(family, messages):
    one = row(*messages)
    if trained(one):
        check(codec_of(family), one)


@pytest.mark.parametrize("family", WITH_TOOLS)
@given(messages=turns(PLAIN, tools=True))
def test_conversations_with_tools_are_as_exact(family, messages):
    one = row(*messages, tools=(WEATHER,))
    if trained(one):
        check(codec_of(family), one)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_rows_that_quote_control_tokens_are_exact_or_refused_by_name(family, data):
    one = row(*data.draw(turns(HOSTILE, tools=family in WITH_TOOLS)))
    if not trained(one):
        return
    try:
        check(codec_of(family), one)
    except DataError as error:
        assert error.code == "model.tag_in_text"
        assert str(error.facts["tag"]) in str(one.messages)


@given(messages=turns(HOSTILE, tools=True))
def test_rows_are_exact_on_deepseek_s_own_tokenizer(messages):
    codec, _ = deepseek()
    one = row(*messages, tools=(WEATHER,))
    if trained(one):
        check(codec, one)


@pytest.mark.parametrize("family", FAMILIES)
def test_turns_without_reasoning_share_one_view_where_the_prompt_goes_on(family):
    one = row(user("hi"), assistant("Hello."), user("and 你好?"), assistant("好的。"))
    views = codec_of(family).views(one)
    opened = card(family).reasoning == "opened"
    assert [view.turn for view in views] == ([1, 3] if opened else [3])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_turn_is_trained_with_its_reasoning_and_later_prompts_drop_it(family):
    codec = codec_of(family)
    one = row(user("hi"), assistant("Hello.", reasoning="greet back"), user("bye"), assistant("Bye."))
    first, second = codec.views(one)
    assert "greet back" in codec.decode(id_ for id_ in first.labels if id_ >= 0)
    assert "greet back" not in codec.decode(second.ids)


@pytest.mark.parametrize("family", ["r1-distill-qwen", "r1-distill-llama"])
def test_where_the_prompt_opens_reasoning_an_answer_without_any_closes_an_empty_block(family):
    codec = codec_of(family)
    assert codec.prompt_text([user("1+1?")]).endswith("<｜Assistant｜><think>\n")
    assert codec.decode(codec.answer_ids(assistant("2"))) == "\n</think>\n\n2<｜end▁of▁sentence｜>"


def test_turns_that_are_not_trained_have_no_labels():
    codec = codec_of("smollm2")
    (view,) = codec.views(row(user("a"), assistant("first", train=False), user("b"), assistant("second")))
    assert codec.decode(id_ for id_ in view.labels if id_ >= 0) == "second<|im_end|>"


@pytest.mark.parametrize("messages", [(), (user("hi"),), (user("hi"), assistant("no", train=False))])
def test_a_row_without_a_trained_turn_is_refused_with_its_place(messages):
    with pytest.raises(DataError) as caught:
        codec_of("smollm2").views(row(*messages))
    assert caught.value.code == "model.no_trained_turn"
    assert str(caught.value).startswith("rows.jsonl:7: ")


def test_an_empty_reasoning_is_no_reasoning():
    codec = codec_of("deepseek-v3")
    assert codec.answer_ids(assistant("2", reasoning="")) == codec.answer_ids(assistant("2"))


@pytest.mark.parametrize("family", WITHOUT_TOOLS)
def test_a_family_without_tool_calls_says_so(family):
    codec = codec_of(family)
    for refused in (
        row(user("a"), assistant("b"), tools=(WEATHER,)),
        row(user("a"), assistant("", tool_calls=(call(),))),
    ):
        with pytest.raises(ModelError) as caught:
            codec.views(refused)
        assert caught.value.code == "model.no_tools"
        assert "rows.jsonl:7" in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
@given(text=st.text(alphabet=st.characters(), max_size=20))
def test_any_text_at_all_comes_back_from_its_ids(family, text):
    codec = codec_of(family)
    assert text in codec.decode(codec.prompt_ids([user(text)]))
