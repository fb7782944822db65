"""The answer to a prompt as the model must write it: reasoning, text and tool calls, rendered so that they read back.

An answer is `prefix [<think>\\n REASONING \\n</think>\\n\\n] TEXT [CALLS] suffix EOS`. Where the prompt itself ends
with `<think>\\n` (`opened`), the answer begins inside the block, and one without reasoning begins by closing it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict

from seekloop.artifact.rows import Message
from seekloop.model.template import Piece
from seekloop.model.tool_calls import ToolCall, ToolWire, calls_of, wire
from seekloop.system.errors import DataError

__all__ = ["CLOSE", "OPEN", "AnswerForm", "render"]

OPEN, CLOSE = "<think>", "</think>"
_function_name = re.compile(r"[\w.:/-]+")


class AnswerForm(BaseModel):
    """How a family's answers are laid out; stored in `codec.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    opened: bool
    """The prompt ends inside the reasoning block."""
    prefix: str
    suffix: str
    tools: str | None
    """Name of the wire form of tool calls."""

    @property
    def wire(self) -> ToolWire | None:
        """The wire form of tool calls; None where the family has none."""
        return wire(self.tools)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that lay out an answer; control tokens where the tokenizer has them, text where it has not."""
        return (OPEN, CLOSE, *(self.wire.tags if self.wire else ()))


def render(message: Message, form: AnswerForm, *, text_tags: Collection[str]) -> list[Piece]:
    """The pieces of an answer, without EOS.

    Args:
        message: an assistant turn.
        form: the family's layout.
        text_tags: tags for which the tokenizer has no token of their own, so that they are told by their text.

    Raises:
        DataError: the answer would not read back as what it is: it holds one of the tags as text, or a tool call that
            is no JSON object.
    """
    calls, reasoning = calls_of(message), message.reasoning or ""
    _refuse_ambiguous(message, form, text_tags=text_tags)
    pieces = [Piece(form.prefix, True)]
    if reasoning or form.opened:
        pieces += [] if form.opened else [Piece(OPEN, True), Piece("\n", True)]
        pieces += [Piece(reasoning, False), Piece("\n", True), Piece(CLOSE, True), Piece("\n\n", True)]
    pieces.append(Piece(message.content, False))
    if calls and form.wire is not None:
        _refuse_unreadable(calls)
        pieces.append(Piece(form.wire.gap if message.content else "", True))
        pieces += [Piece(text, tag) for text, tag in form.wire.render(calls)]
    pieces.append(Piece(form.suffix, True))
    return [piece for piece in pieces if piece.text]


def _refuse_ambiguous(message: Message, form: AnswerForm, *, text_tags: Collection[str]) -> None:
    reasoning = message.reasoning or ""
    if CLOSE in text_tags and CLOSE in reasoning:
        raise DataError("model.tag_in_text", tag=CLOSE, part="reasoning")
    if OPEN in text_tags and not reasoning and not form.opened and message.content.startswith(OPEN):
        raise DataError("model.tag_in_text", tag=OPEN, part="content")
    if form.wire is None:
        return
    if form.wire.tags[0] in text_tags and form.wire.tags[0] in message.content:
        raise DataError("model.tag_in_text", tag=form.wire.tags[0], part="content")
    for tag in form.wire.tags:
        if tag in text_tags and any(tag in call.arguments for call in calls_of(message)):
            raise DataError("model.tag_in_text", tag=tag, part="arguments")


def _refuse_unreadable(calls: tuple[ToolCall, ...]) -> None:
    for call in calls:
        try:
            value: Any = json.loads(call.arguments)
        except ValueError:
            value = None
        if not isinstance(value, dict) or not _function_name.fullmatch(call.name):
            raise DataError("model.bad_arguments", name=call.name)
