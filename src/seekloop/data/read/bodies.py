"""The body of a record by layout: its cells become messages, a rejected answer, a verdict or plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.data.read import calls, turns
from seekloop.data.read.stream import Role
from seekloop.data.read.values import as_bool, as_list, as_text, parsed
from seekloop.data.sources import Format, Split
from seekloop.system.errors import DataError

__all__ = ["BODIES", "Given", "Layout", "Reading"]

_speech = re.compile(r"\s*(?:\n\n|^)(Human|Assistant): ?")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the records of one source are to be read."""

    format: Format
    parts: Mapping[str, str]
    """Part -> column."""
    names: Mapping[str, Role] = field(default_factory=dict)
    """What the source calls the speakers of a conversation, beside the usual names."""
    keys: tuple[str, str] | None = None
    """Names of a turn's speaker and content keys, where they are unusual."""

    @property
    def described(self) -> str:
        """For people: `labelled messages (text=utterance, label=intent)`."""
        return f"{self.format} ({', '.join(f'{part}={column}' for part, column in self.parts.items())})"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one record says."""

    messages: tuple[Message, ...]
    rejected: tuple[Message, ...] = ()
    desirable: bool | None = None
    plain: bool = False
    tools: tuple[dict[str, Any], ...] = ()
    dropped: str | None = None
    """Why the record is no row to learn from, for records that say so themselves: a call that failed."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    labels: tuple[str, ...] = ()
    group: str | None = None
    subject: str | None = None
    split: Split | None = None
    time: str | None = None
    """In ISO 8601, with the zone where one was written."""
    noise: bool | None = None
    """As somebody marked it."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """One record on its way."""

    cell: Mapping[str, Any]
    """Part -> value."""
    layout: Layout
    where: str
    """File and line, for errors."""


def _conversation(given: Given) -> Reading:
    return Reading(messages=tuple(_listed(given.cell.get("messages"), given)))


def _single_turn(given: Given) -> Reading:
    reply = as_text(given.cell.get("reply"), given.where)
    answer = [turns.assistant(reply)] if reply.strip() else []
    return Reading(messages=(*_question(given), *answer))


def _preference(given: Given) -> Reading:
    """Two answers to one question. Both may hold the whole conversation: what they share is then the question."""
    asked = _asked(given)
    rejected = _answer(given.cell.get("rejected"), given)
    if given.cell.get("chosen") is None and asked and asked[-1].role == "assistant":
        asked, chosen = asked[:-1], asked[-1:]
    else:
        chosen = _answer(given.cell.get("chosen"), given)
    if not chosen or not rejected:
        raise DataError("data.one_answer", where=given.where)
    if chosen[0].role != "assistant":
        shared = _shared(chosen, rejected)
        system = [message for message in asked[:1] if message.role == "system" and chosen[0].role != "system"]
        asked, chosen, rejected = [*system, *chosen[:shared]], chosen[shared:], rejected[shared:]
    users = [place for place, message in enumerate(asked) if message.role == "user"]
    begun = asked[users[-1] + 1 :] if users else []  # calls of tools before both answers belong to both
    return Reading(messages=(*asked, *chosen), rejected=(*begun, *rejected))


def _kto(given: Given) -> Reading:
    asked = _asked(given)
    answer = _answer(given.cell.get("reply"), given)
    answer = answer[len(asked) :] if answer[: len(asked)] == asked else answer
    return Reading(messages=(*asked, *answer), desirable=as_bool(given.cell.get("desirable"), given.where))


def _triple(given: Given) -> Reading:
    """What was said before, the response, and what the user said then, which is kept beside the conversation."""
    context, followup = parsed(given.cell.get("context")), as_text(given.cell.get("followup"), given.where)
    messages = [*_prompt(context, given), *_answer(given.cell.get("reply"), given)]
    return Reading(messages=tuple(messages), meta={"followup": followup} if followup else {})


def _text(given: Given) -> Reading:
    return Reading(messages=(Message(role="user", content=as_text(given.cell.get("text"), given.where)),), plain=True)


def _call(given: Given) -> Reading:
    call = calls.read(given.cell["text"], given.cell["reply"], where=given.where)
    answer = _listed([call.answer], given) if call.answer else []
    return Reading(
        messages=(*_listed(call.messages, given), *answer),
        tools=turns.tools_of(call.tools, where=given.where),
        dropped=call.dropped,
        meta=call.meta,
        subject=call.user,
    )


BODIES: Mapping[Format, Callable[[Given], Reading]] = MappingProxyType(
    {
        "alpaca": _single_turn,
        "pairs": _single_turn,
        "labelled": _single_turn,
        "sharegpt": _conversation,
        "messages": _conversation,
        "preference": _preference,
        "kto": _kto,
        "triples": _triple,
        "text": _text,
        "chat": _conversation,
        "calls": _call,
    }
)
"""Layout -> what a record's cells say in it; the functions raise DataError for a value that its part cannot hold."""


def _listed(value: object, given: Given) -> list[Message]:
    value = parsed(value)
    if isinstance(value, dict) and len(value) == 1:  # XML: an element around the turns, of which there may be one
        (value,) = value.values()
        value = value if isinstance(value, list) else [value]
    return turns.conversation(value, names=given.layout.names, keys=given.layout.keys, where=given.where)


def _question(given: Given) -> list[Message]:
    messages: list[Message] = []
    for pair in as_list(given.cell.get("history")):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise DataError("data.bad_history", where=given.where)
        question, answer = (as_text(side, given.where) for side in pair)
        messages += [Message(role="user", content=question), turns.assistant(answer)]
    asked = [as_text(given.cell.get("text"), given.where), as_text(given.cell.get("context"), given.where)]
    return [*messages, Message(role="user", content="\n".join(text for text in asked if text.strip()))]


def _asked(given: Given) -> list[Message]:
    """The turns before the answer; none where the answers hold them."""
    if given.cell.get("messages"):
        return _listed(given.cell["messages"], given)
    prompt = parsed(given.cell.get("text"))
    if isinstance(prompt, list):
        return _listed(prompt, given)
    return _question(given) if as_text(prompt, given.where) or given.cell.get("history") else []


def _answer(value: object, given: Given) -> list[Message]:
    """One answer: its text, a turn, a list of turns, or `Human: … Assistant: …` as one text."""
    value = parsed(value)
    if isinstance(value, list | dict):
        return _listed(value if isinstance(value, list) else [value], given)
    text = as_text(value, given.where)
    _, *said = _speech.split(text) if text.startswith(("\n\nHuman:", "Human:")) else [""]
    if said:
        spoken = zip(said[::2], said[1::2], strict=True)
        return [turns.assistant(t) if who == "Assistant" else Message(role="user", content=t) for who, t in spoken]
    return [turns.assistant(text)] if text.strip() else []


def _prompt(context: object, given: Given) -> list[Message]:
    """What was said before a response: a text, a list of turns, or a list of texts that end with the user's."""
    if isinstance(context, list) and context and all(isinstance(text, str) for text in context):
        users = {len(context) - 1 - back for back in range(0, len(context), 2)}
        return [
            Message(role="user", content=text) if place in users else turns.assistant(text)
            for place, text in enumerate(context)
        ]
    if isinstance(context, list):
        return _listed(context, given)
    return [Message(role="user", content=as_text(context, given.where))]


def _shared(one: list[Message], other: list[Message]) -> int:
    """How many turns two conversations have in common from their beginning, at least one of each being left."""
    most = min(len(one), len(other)) - 1
    return next((place for place in range(most) if one[place] != other[place]), most)
