"""Layouts of records: which one a source has, and how a record of it becomes messages and a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.data.read import turns
from seekloop.data.read.columns import assign, likely, listed
from seekloop.data.spec import ColumnsSpec, Format, Split
from seekloop.system.errors import DataError

__all__ = ["Layout", "Reading", "detect", "read"]

_preference = frozenset({"chosen", "rejected", "rejected_response", "kto_tag"})
_needed: Mapping[Format, tuple[str, ...]] = {
    "alpaca": ("text", "reply"),
    "pairs": ("text", "reply"),
    "labelled": ("text", "label"),
    "sharegpt": ("messages",),
    "messages": ("messages",),
}
_splits: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training", "训练", "训练集"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "验证", "验证集"), "validation"),
    **dict.fromkeys(("test", "testing", "测试", "测试集"), "test"),
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the records of one source are to be read."""

    format: Format
    parts: Mapping[str, str]
    """Part -> column."""
    names: Mapping[str, turns.Role] = field(default_factory=dict)
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
    tools: tuple[dict[str, Any], ...] = ()
    label: str | None = None
    group: str | None = None
    subject: str | None = None
    split: Split | None = None


def detect(
    samples: Sequence[Mapping[str, Any]], mapped: ColumnsSpec, *, format: Format | None, shown: str
) -> tuple[Format, dict[str, str]]:
    """The layout of a source and the part of each column, from its first records.

    Raises:
        DataError: a column that is needed is not there (those found and the likely one are named), or the data is of a
            kind that supervised tuning has no use for.
    """
    found = list(dict.fromkeys(column for sample in samples for column in sample))
    preferences = _preference.intersection(found)
    if preferences and mapped.reply is None:
        raise DataError("data.preference", columns=", ".join(sorted(preferences)), where=shown)
    parts = assign(found, mapped, shown=shown)
    chosen = format or _guess(parts, samples, mapped=mapped)
    for part in _needed[chosen]:
        if part not in parts:
            raise _missing(part, found, parts=parts, shown=shown)
    if chosen in ("sharegpt", "messages"):
        # A conversation's columns beside it are metadata unless they were mapped: `category` is not its intent.
        own = {part for part, column in mapped.model_dump().items() if column is not None}
        parts = {p: c for p, c in parts.items() if p in own or p in ("messages", "tools", "system", "split", "group")}
    elif chosen != "alpaca" and mapped.context is None:
        parts.pop("context", None)
    parts.pop("messages" if chosen not in ("sharegpt", "messages") else "text", None)
    return chosen, parts


def read(record: Mapping[str, Any], layout: Layout, *, where: str) -> Reading:
    """What a record of this layout says.

    Raises:
        DataError: a value is not what its part needs; `where` ("file:line") is named.
    """
    cell = {part: record.get(column) for part, column in layout.parts.items()}
    if layout.format in ("sharegpt", "messages"):
        messages = turns.conversation(cell.get("messages"), names=layout.names, keys=layout.keys, where=where)
    else:
        messages = _single_turn(cell, where)
    system = _string(cell.get("system"), where)
    if system and not any(message.role == "system" for message in messages):
        messages = [Message(role="system", content=system), *messages]
    split = _string(cell.get("split"), where).strip().lower()
    if split and split not in _splits:
        raise DataError("data.unknown_split", split=split, where=where)
    return Reading(
        messages=tuple(messages),
        tools=turns.tools_of(cell.get("tools"), where=where),
        label=_string(cell.get("label"), where).strip() or None,
        group=_string(cell.get("group"), where) or None,
        subject=_string(cell.get("subject"), where) or None,
        split=_splits.get(split),
    )


def _guess(parts: Mapping[str, str], samples: Sequence[Mapping[str, Any]], *, mapped: ColumnsSpec) -> Format:
    value = next((s[parts["messages"]] for s in samples if s.get(parts.get("messages", ""))), None)
    if mapped.text is None and isinstance(value, list) and value and isinstance(value[0], dict):
        return "sharegpt" if "from" in value[0] else "messages"
    if parts.get("text") == "instruction" and parts.get("reply") == "output":
        return "alpaca"
    return "labelled" if "label" in parts or "reply" not in parts else "pairs"


def _missing(part: str, found: Sequence[str], *, parts: Mapping[str, str], shown: str) -> DataError:
    near = likely(part, found, taken=list(parts.values()))
    if part in ("label", "reply") and near is None:
        return DataError("data.no_target", text=parts.get("text", "-"), found=listed(found), where=shown)
    return DataError("data.missing_part", part=part, likely=near or "NAME", found=listed(found) or "none", where=shown)


def _single_turn(cell: Mapping[str, Any], where: str) -> list[Message]:
    messages: list[Message] = []
    for pair in cell.get("history") or ():
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise DataError("data.bad_history", where=where)
        question, answer = (_string(side, where) for side in pair)
        messages += [Message(role="user", content=question), turns.assistant(answer)]
    asked = [_string(cell.get("text"), where), _string(cell.get("context"), where)]
    messages.append(Message(role="user", content="\n".join(text for text in asked if text.strip())))
    reply = _string(cell.get("reply"), where)
    return [*messages, turns.assistant(reply)] if reply.strip() else messages


def _string(value: object, where: str) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool | int | float):
        return str(value)
    raise DataError("data.not_text", kind=type(value).__name__, where=where)
