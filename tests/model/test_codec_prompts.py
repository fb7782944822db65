"""Prompts: fixed renderings of every family, the exported template, and what users write staying text."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from transformers import AutoTokenizer

from seekloop.artifact.rows import Message
from seekloop.model.codec import Codec
from seekloop.model.families import card
from seekloop.model.tokenizers import tiny_tokenizer
from tests.model.conversations import (
    FAMILIES,
    HOSTILE,
    PLAIN,
    TAGS,
    WEATHER,
    WITH_TOOLS,
    assistant,
    call,
    codec_of,
    deepseek,
    turns,
    user,
)

TALK = (Message(role="system", content="Be brief."), user("hi 你好"), assistant("Hello."), user("bye"))
BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
CHATML = (
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi 你好<|im_end|>\n"
    "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nbye<|im_end|>\n<|im_start|>assistant\n"
)
LLAMA3 = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nhi 你好<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nbye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)
CODER = (
    f"{BOS}Be brief.### Instruction:\nhi 你好\n### Response:\nHello.\n<|EOT|>\n### Instruction:\nbye\n### Response:\n"
)
USER_ASSISTANT = f"{BOS}Be brief.\n\nUser: hi 你好\n\nAssistant: Hello.{EOS}User: bye\n\nAssistant:"
V3 = f"{BOS}Be brief.<｜User｜>hi 你好<｜Assistant｜>Hello.{EOS}<｜User｜>bye<｜Assistant｜>"
GOLDEN = {
    "smollm2": CHATML,
    "qwen2": CHATML,
    "qwen2.5": CHATML,
    "llama3": LLAMA3,
    "deepseek-llm": USER_ASSISTANT,
    "deepseek-v2": USER_ASSISTANT,
    "deepseek-coder": CODER,
    "deepseek-v3": V3,
    "r1-distill-qwen": f"{V3}<think>\n",
    "r1-distill-llama": f"{V3}<think>\n",
}
BEGINNING = {
    "smollm2": "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n",
    "qwen2": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nhi",
    "qwen2.5": "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n",
    "llama3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi",
    "deepseek-llm": f"{BOS}User: hi",
    "deepseek-coder": f"{BOS}You are an AI programming assistant, utilizing the Deepseek Coder model, ",
    "deepseek-v2": f"{BOS}User: hi",
    "deepseek-v3": f"{BOS}<｜User｜>hi",
    "r1-distill-qwen": f"{BOS}<｜User｜>hi",
    "r1-distill-llama": f"{BOS}<｜User｜>hi",
}
ASKED = (
    user("Weather in 北京 and 上海?"),
    assistant("Let me look.", tool_calls=(call(city="北京"), call(city="上海"))),
    Message(role="tool", content="sunny"),
    Message(role="tool", content="rain"),
)
CHATML_CALLS = (
    "<|im_start|>assistant\nLet me look.\n"
    '<tool_call>\n{"name": "weather", "arguments": {"city": "北京"}}\n</tool_call>\n'
    '<tool_call>\n{"name": "weather", "arguments": {"city": "上海"}}\n</tool_call><|im_end|>\n'
    "<|im_start|>user\n<tool_response>\nsunny\n</tool_response>\n<tool_response>\nrain\n</tool_response><|im_end|>\n"
    "<|im_start|>assistant\n"
)
DEEPSEEK_CALLS = (
    "<｜Assistant｜>Let me look.<｜tool▁calls▁begin｜>"
    '<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city": "北京"}\n```<｜tool▁call▁end｜>\n'
    '<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{"city": "上海"}\n```<｜tool▁call▁end｜>'
    f"<｜tool▁calls▁end｜>{EOS}"
    "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>sunny<｜tool▁output▁end｜>\n"
    "<｜tool▁output▁begin｜>rain<｜tool▁output▁end｜><｜tool▁outputs▁end｜>"
)
CALLS = {
    "smollm2": CHATML_CALLS,
    "qwen2": CHATML_CALLS,
    "qwen2.5": CHATML_CALLS,
    "deepseek-v3": DEEPSEEK_CALLS,
    "r1-distill-qwen": f"{DEEPSEEK_CALLS}<think>\n",
    "r1-distill-llama": f"{DEEPSEEK_CALLS}<think>\n",
}


@functools.cache
def transformers_tokenizer(family: str) -> Any:
    """What transformers makes of the folder that the codec saved."""
    with tempfile.TemporaryDirectory() as folder:
        codec_of(family).save(Path(folder))
        return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_is_rendered_as_the_family_publishes_it(family):
    assert codec_of(family).prompt_text(TALK) == GOLDEN[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_without_system_message_begins_as_the_family_publishes_it(family):
    assert codec_of(family).prompt_text([user("hi")]).startswith(BEGINNING[family])


@pytest.mark.parametrize("family", WITH_TOOLS)
def test_tool_calls_and_results_are_rendered_in_the_family_s_wire_form(family):
    text = codec_of(family).prompt_text(ASKED, tools=(WEATHER,))
    assert text.endswith(CALLS[family])
    assert '{"type": "function", "function": {"name": "天气.weather"' in text


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15)
@given(messages=turns(HOSTILE))
def test_transformers_renders_the_exported_template_to_the_same_text(family, messages):
    plain = [{"role": message.role, "content": message.content} for message in messages]
    text = transformers_tokenizer(family).apply_chat_template(plain, add_generation_prompt=True, tokenize=False)
    assert text == codec_of(family).prompt_text(messages)


@pytest.mark.parametrize("family", WITH_TOOLS)
@settings(max_examples=15)
@given(messages=turns(HOSTILE, tools=True))
def test_transformers_renders_tools_to_the_same_text(family, messages):
    dumped = [message.model_dump(exclude={"reasoning", "train"}, exclude_defaults=True) for message in messages]
    plain = [{"content": "", **message} for message in dumped]
    text = transformers_tokenizer(family).apply_chat_template(
        plain, tools=[WEATHER], add_generation_prompt=True, tokenize=False
    )
    assert text == codec_of(family).prompt_text(messages, tools=(WEATHER,))


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_makes_the_same_ids_of_the_folder(family):
    plain = [{"role": message.role, "content": message.content} for message in TALK]
    theirs = transformers_tokenizer(family).apply_chat_template(plain, add_generation_prompt=True, return_dict=False)
    assert tuple(theirs) == codec_of(family).prompt_ids(TALK)


@pytest.mark.parametrize("family", FAMILIES)
@given(messages=turns(PLAIN))
def test_ids_are_those_of_the_whole_rendered_text(family, messages):
    codec = codec_of(family)
    text = codec.prompt_text(messages)
    assert codec.prompt_ids(messages) == tuple(tiny_tokenizer(card(family)).encode(text).ids)


@given(messages=turns(PLAIN, tools=True))
def test_ids_are_those_of_deepseek_s_own_tokenizer_on_the_whole_text(messages):
    codec, tokenizer = deepseek()
    text = codec.prompt_text(messages, tools=(WEATHER,))
    assert codec.prompt_ids(messages, tools=(WEATHER,)) == tuple(tokenizer.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("family", FAMILIES)
@given(messages=turns(HOSTILE))
def test_what_users_write_never_becomes_a_control_token(family, messages):
    codec = codec_of(family)
    harmless = [message.model_copy(update={"content": "x" if message.content else ""}) for message in messages]
    assert controls(codec.prompt_ids(messages), family) == controls(codec.prompt_ids(harmless), family)


@pytest.mark.parametrize("tag", [*TAGS, "<｜fim▁begin｜>", "<｜place▁holder▁no▁0｜>", "｜DSML｜"])
def test_no_control_token_of_deepseek_s_own_tokenizer_can_be_written_by_a_user(tag):
    codec, _ = deepseek()
    ids = codec.prompt_ids([user(f"a {tag} b{tag}")])
    assert [id_ for id_ in ids if id_ >= 128000 or id_ < 3] == [ids[0], ids[1], ids[-1]]
    assert codec.decode(ids) == f"{BOS}<｜User｜>a {tag} b{tag}<｜Assistant｜>"


@given(first=HOSTILE, second=HOSTILE)
def test_two_harmless_halves_do_not_make_a_control_token(first, second):
    assume(first and second)
    codec = codec_of("deepseek-llm")
    ids = codec.prompt_ids([Message(role="system", content=first), Message(role="system", content=second)])
    assert len(controls(ids, "deepseek-llm")) == 1


@pytest.mark.parametrize("family", WITH_TOOLS)
def test_tool_schemas_names_and_arguments_are_text_too(family):
    codec, eos = codec_of(family), card(family).tokens.eos
    schema = {"type": "function", "function": {"name": eos, "description": eos}}
    messages = [user("a"), assistant("", tool_calls=(call(f"f{eos}", x=eos),)), Message(role="tool", content=eos)]
    clean = [user("a"), assistant("", tool_calls=(call("f", x="y"),)), Message(role="tool", content="z")]
    hostile = controls(codec.prompt_ids(messages, tools=[schema]), family)
    assert hostile == controls(codec.prompt_ids(clean, tools=[WEATHER]), family)


def test_an_added_token_that_is_an_ordinary_character_stays_one():
    tokenizer = tiny_tokenizer(card("deepseek-llm"))
    tokenizer.add_tokens(["ö"])
    codec = Codec.build(card("deepseek-llm"), tokenizer)
    assert tokenizer.token_to_id("ö") in codec.prompt_ids([user("schön")])
    assert codec.decode(codec.prompt_ids([user("schön")])) == f"{BOS}User: schön\n\nAssistant:"


def controls(ids: tuple[int, ...], family: str) -> list[int]:
    """The ids of control tokens, in order."""
    known = {tiny_tokenizer(card(family)).token_to_id(token) for token in card(family).tokens.all}
    return [id_ for id_ in ids if id_ in known]
