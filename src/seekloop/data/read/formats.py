"""Layouts of records: which one a source has, and how a record of it becomes messages and a label."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.data.read import calls
from seekloop.data.read.bodies import BODIES, Given, Layout, Reading
from seekloop.data.read.chats import role_of
from seekloop.data.read.columns import assign, likely, listed, value_at
from seekloop.data.read.turns import tools_of
from seekloop.data.read.values import as_text, parsed
from seekloop.data.sources import ColumnsSpec, Format, Split
from seekloop.system.errors import DataError
from seekloop.text import times
from seekloop.text.labelled import join_labels

__all__ = ["detect", "read"]

_needed: Mapping[Format, tuple[str, ...]] = {
    "alpaca": ("text", "reply"),
    "pairs": ("text", "reply"),
    "labelled": ("text", "label"),
    "sharegpt": ("messages",),
    "messages": ("messages",),
    "preference": ("chosen", "rejected"),
    "kto": ("desirable",),
    "triples": ("context", "reply"),
    "text": ("text",),
    "chat": ("group", "speaker", "text"),
    "calls": ("text", "reply"),
}
_everywhere = ("split", "group", "time", "noise")
_beside = (*_everywhere, "label", "subject")
_uses: Mapping[Format, tuple[str, ...]] = {
    "alpaca": ("text", "context", "reply", "system", "history", "tools", *_beside),
    "pairs": ("text", "reply", "system", "history", "tools", *_beside),
    "labelled": ("text", "reply", "system", "history", "tools", *_beside),
    # A conversation's columns beside it are metadata unless they were mapped: `category` is not its intent.
    "sharegpt": ("messages", "tools", "system", *_everywhere),
    "messages": ("messages", "tools", "system", *_everywhere),
    "preference": ("messages", "text", "chosen", "rejected", "system", "history", "tools", *_everywhere),
    "kto": ("messages", "text", "reply", "desirable", "system", "history", "tools", *_everywhere),
    "triples": ("context", "reply", "followup", "system", "tools", *_beside),
    "text": ("text", *_everywhere),
    "chat": ("group", "speaker", "text", "time", "noise", "label", "subject", "split"),
    "calls": ("text", "reply", *_everywhere),
}
"""What each layout takes of the columns that were recognised; columns that were mapped are always taken."""
_splits: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training", "训练", "训练集"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "验证", "验证集"), "validation"),
    **dict.fromkeys(("test", "testing", "测试", "测试集"), "test"),
}

_marks: Mapping[str, bool] = {
    **dict.fromkeys(("1", "true", "yes", "noise", "noisy", "bad", "噪声", "噪音", "是", "差"), True),
    **dict.fromkeys(("0", "false", "no", "clean", "good", "正常", "干净", "否", "好"), False),
}


def detect(
    samples: Sequence[Mapping[str, Any]], mapped: ColumnsSpec, *, format: Format | None, shown: str
) -> tuple[Format, dict[str, str]]:
    """The layout of a source and the part of each column, from its first records.

    Raises:
        DataError: a column that is needed is not there; those found and the likely one are named.
    """
    own = {part: column for part, column in mapped.model_dump().items() if column is not None}
    found = list(dict.fromkeys(column for sample in samples for column in sample))
    nested = [c for c in own.values() if c not in found and any(value_at(s, c) is not None for s in samples)]
    parts = assign([*found, *nested], mapped, shown=shown)
    if format in (None, "calls"):
        parts = {**parts, **{p: c for p, c in calls.columns(samples).items() if p not in own}}
    chosen = format or _guess(parts, samples, own=own)
    parts = _settled(parts, chosen, samples=samples, own=own)
    for part in _needed[chosen]:
        if part not in parts and not (part == "chosen" and "messages" in parts):
            raise _missing(part, found, parts=parts, shown=shown)
    return chosen, parts


def read(record: Mapping[str, Any], layout: Layout, *, where: str) -> Reading:
    """What a record of this layout says.

    Raises:
        DataError: a value is not what its part needs; `where` ("file:line") is named.
    """
    cell = {part: value_at(record, column) for part, column in layout.parts.items()}
    body = BODIES[layout.format](Given(cell=cell, layout=layout, where=where))
    messages = body.messages
    system = as_text(cell.get("system"), where)
    if system and not any(message.role == "system" for message in messages):
        messages = (Message(role="system", content=system), *messages)
    labels = _labels(cell.get("label"), where)
    split = as_text(cell.get("split"), where).strip().lower()
    if split and split not in _splits:
        raise DataError("data.unknown_split", split=split, where=where)
    return dataclasses.replace(
        body,
        messages=messages,
        tools=body.tools or tools_of(cell.get("tools"), where=where),
        label=join_labels(labels),
        labels=labels if len(labels) > 1 else (),
        group=as_text(cell.get("group"), where) or None,
        subject=body.subject or as_text(cell.get("subject"), where) or None,
        split=_splits.get(split),
        time=_time(cell.get("time"), where),
        noise=_marked(cell.get("noise"), where),
    )


def _guess(parts: Mapping[str, str], samples: Sequence[Mapping[str, Any]], *, own: Mapping[str, str]) -> Format:
    """The layout that the recognised columns make."""
    conversation = _conversation(parts, samples) if "text" not in own else None
    if calls.looks_like(parts, samples):
        return "calls"
    if "reply" not in own and _has_rejected(parts, samples):
        return "preference"
    if "desirable" in parts or _is_verdict(parts, samples):
        return "kto"
    if "followup" in parts and "reply" in parts and "context" in parts:
        return "triples"
    if conversation is not None:
        return conversation
    if _is_chat(parts, samples):
        return "chat"
    if parts.get("text") == "instruction" and parts.get("reply") == "output":
        return "alpaca"
    if all(len(sample) == 1 for sample in samples) and "text" in parts:
        return "text"
    return "labelled" if "label" in parts or "reply" not in parts else "pairs"


def _conversation(parts: Mapping[str, str], samples: Sequence[Mapping[str, Any]]) -> Format | None:
    values = (parsed(value_at(sample, parts["messages"])) for sample in samples if "messages" in parts)
    value = next((value for value in values if value), None)
    if not isinstance(value, list) or not isinstance(value[0], dict):
        return None
    return "sharegpt" if "from" in value[0] else "messages"


def _has_rejected(parts: Mapping[str, str], samples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there are two answers to choose from; a column `rejected` of truth values is something else."""
    values = [value_at(sample, parts["rejected"]) for sample in samples if "rejected" in parts]
    return bool(parts.keys() & {"chosen", "reply", "messages"}) and any(
        isinstance(v, str | list | dict) for v in values
    )


def _is_chat(parts: Mapping[str, str], samples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the records are messages of sessions. Where they have a label, both sides must be heard to speak: a table
    of labelled messages may name their authors too."""
    if "reply" in parts or not {"speaker", "group", "text"} <= parts.keys():
        return False
    heard = {role_of(str(value_at(sample, parts["speaker"]))) for sample in samples}
    return "label" not in parts or {"user", "assistant"} <= heard


def _is_verdict(parts: Mapping[str, str], samples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the column called label holds truth values: KTO's way to say which answers are good."""
    values = [value_at(sample, parts["label"]) for sample in samples if "label" in parts]
    answered = "reply" in parts or "messages" in parts
    return answered and bool(values) and all(isinstance(value, bool) for value in values)


def _settled(
    parts: Mapping[str, str], chosen: Format, *, samples: Sequence[Mapping[str, Any]], own: Mapping[str, str]
) -> dict[str, str]:
    """The parts that the layout takes."""
    settled = dict(parts)
    if chosen == "kto" and "desirable" not in settled and _is_verdict(settled, samples):
        settled["desirable"] = settled.pop("label")
    if chosen == "preference" and "chosen" not in settled and "reply" in settled:
        settled["chosen"] = settled["reply"]
    if chosen == "triples" and "context" not in settled and "text" in settled:
        settled["context"] = settled.pop("text")
    taken = {part: column for part, column in settled.items() if part in own or part in _uses[chosen]}
    if chosen in ("preference", "kto", "messages", "sharegpt") and "messages" in taken and "text" not in own:
        taken.pop("text", None)
    if chosen in ("preference", "kto") and settled.get("text") == "instruction" and "context" in settled:
        taken["context"] = settled["context"]
    if chosen not in ("alpaca", "triples", "preference", "kto") and "context" not in own:
        taken.pop("context", None)
    if chosen != "chat" and "time" not in own and not _are_times(settled.get("time"), samples):
        taken.pop("time", None)
    return taken


def _are_times(column: str | None, samples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a column that is called like a time holds times, as far as its first values tell."""
    values = [value_at(sample, column) for sample in samples] if column is not None else []
    return all(times.parse_time(str(value)) is not None for value in values if value not in (None, ""))


def _missing(part: str, found: Sequence[str], *, parts: Mapping[str, str], shown: str) -> DataError:
    near = likely(part, found, taken=list(parts.values()))
    if part in ("label", "reply") and near is None:
        return DataError("data.no_target", text=parts.get("text", "-"), found=listed(found), where=shown)
    return DataError("data.missing_part", part=part, likely=near or "NAME", found=listed(found) or "none", where=shown)


def _labels(value: object, where: str) -> tuple[str, ...]:
    """The labels of a cell, in one order whatever order they were given in."""
    given = [as_text(one, where).strip() for one in (value if isinstance(value, list | tuple) else [value])]
    return tuple(sorted({label for label in given if label}))


def _time(value: object, where: str) -> str | None:
    text = as_text(value, where).strip()
    found = times.parse_time(text) if text else None
    if text and found is None:
        raise DataError("data.bad_time", value=text, where=where)
    return None if found is None else found.isoformat()


def _marked(value: object, where: str) -> bool | None:
    text = as_text(value, where).strip().lower()
    if text and text not in _marks:
        raise DataError("data.bad_mark", mark=text, where=where)
    return _marks.get(text)
