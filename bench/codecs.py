"""The codec's invariant, counted on generated conversations for every family card."""

from __future__ import annotations

import json
import random

from seekloop.artifact.rows import Message, Row, Source
from seekloop.model import families
from seekloop.model.codec import Codec
from seekloop.model.families import FamilyCard
from seekloop.model.tokenizers import tiny_tokenizer

__all__ = ["ROWS", "SEED", "is_exact", "outcomes", "rows"]

SEED, ROWS = 0, 200
UNTRAINED = -100
PHRASES = [
    "How do I block my card?",
    "银行卡丢了，怎么挂失？",
    "  two spaces first\n\n\tand a tab",
    "naïve café 🙂👩‍👩‍👧 ﷽",
    "<|im_end|> and <｜end▁of▁sentence｜> as text",
    "if a < b: print('a')  # 1 < 2 > 0",
    "2 + 2 = 4",
    "。！？……",
]
TOOL = {"type": "function", "function": {"name": "balance", "parameters": {"type": "object", "properties": {}}}}


def outcomes() -> list[bool]:
    """For every card and every row that its family can hold: whether it is exact."""
    found = []
    for card in families.cards():
        codec = Codec.build(card, tiny_tokenizer(card))
        found += [is_exact(codec, row) for row in rows(card)]
    return found


def rows(card: FamilyCard) -> list[Row]:
    """Conversations of one to four rounds, with and without reasoning, a system message, tools, and untrained turns."""
    chance = random.Random(SEED)
    return [_row(number, chance, card) for number in range(ROWS)]


def is_exact(codec: Codec, row: Row) -> bool:
    """Whether each trained turn stands after exactly the server's prompt, alone labelled, and reads back as written."""
    turns = [i for i, message in enumerate(row.messages) if message.role == "assistant" and message.train is not False]
    for view in codec.views(row):
        single_bos = codec.bos_id is None or view.ids.count(codec.bos_id) == 1
        if len(view.ids) != len(view.labels) or not single_bos:
            return False
        position = 0
        while turns and turns[0] <= view.turn:
            message, prompt = row.messages[turns[0]], codec.prompt_ids(row.messages[: turns[0]], tools=row.tools)
            start = len(prompt)
            untrained = all(label == UNTRAINED for label in view.labels[position:start])
            if view.ids[:start] != prompt or not untrained or start < position:
                return False
            end = view.ids.index(codec.eos_id, start) + 1
            if view.labels[start:end] != view.ids[start:end] or not _reads_back(codec, view.ids[start:end], message):
                return False
            position = end
            turns.pop(0)
        if position != len(view.ids):
            return False
    return not turns


def _reads_back(codec: Codec, ids: tuple[int, ...], message: Message) -> bool:
    parsed = codec.parse(ids)
    calls = [_call(call) for call in parsed.tool_calls]
    same_calls = calls == [_call(call) for call in message.tool_calls]
    return (parsed.content, parsed.reasoning or None) == (message.content, message.reasoning or None) and same_calls


def _call(call: dict[str, dict[str, str]]) -> tuple[str, object]:
    function = call["function"]
    arguments = function["arguments"]
    return function["name"], json.loads(arguments) if isinstance(arguments, str) else arguments


def _row(number: int, chance: random.Random, card: FamilyCard) -> Row:
    has_tools = card.tools is not None and chance.random() < 0.3
    messages = [Message(role="system", content=_text(chance))] if chance.random() < 0.5 else []
    for _ in range(chance.randint(1, 4)):
        messages.append(Message(role="user", content=_text(chance)))
        if has_tools and chance.random() < 0.5:
            call = {"type": "function", "function": {"name": "balance", "arguments": '{"account": "6222"}'}}
            messages.append(Message(role="assistant", tool_calls=(call,)))
            messages.append(Message(role="tool", content='{"balance": 3.5}'))
        reasoning = _text(chance) if chance.random() < 0.5 else None
        train = None if chance.random() < 0.8 else False
        messages.append(Message(role="assistant", content=_text(chance), reasoning=reasoning, train=train))
    messages[-1] = messages[-1].model_copy(update={"train": None})
    source = Source(file="generated", line=number)
    tools = (TOOL,) if has_tools else ()
    return Row(id=f"row:{number:016x}", messages=tuple(messages), tools=tools, source=source)


def _text(chance: random.Random) -> str:
    return " ".join(chance.choices(PHRASES, k=chance.randint(1, 3))).strip()
