"""What is exchanged with annotation tools: a conversation, what each rater said of it, and what models guessed.

Our own form is JSON Lines, one item a line; it holds everything. Plain values and no validation a row, so that
50,000 of them take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seekloop.system.errors import DataError

__all__ = [
    "STATUSES",
    "Guess",
    "Item",
    "Judgement",
    "Status",
    "from_row",
    "item_of",
    "read_items",
    "shown_text",
    "to_json",
]

Status = Literal["submitted", "draft", "discarded"]
STATUSES: tuple[Status, ...] = ("submitted", "draft", "discarded")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What one rater said of an item."""

    rater: str
    labels: tuple[str, ...] = ()
    status: Status = "submitted"
    """`draft`: not finished; `discarded`: the rater skipped the item."""
    at: str | None = None
    seconds: float | None = None
    """How long it took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """What a model says of an item."""

    labels: tuple[str, ...]
    score: float | None = None
    """0 to 1; None: the model gave none."""
    model: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One row to be labelled."""

    id: str
    """The row's id: decisions find it again by this."""
    messages: tuple[Mapping[str, Any], ...] = ()
    """Turns in OpenAI's form."""
    judgements: tuple[Judgement, ...] = ()
    guesses: tuple[Guess, ...] = ()
    file: str = ""
    line: int = 0
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def votes(self) -> dict[str, tuple[str, ...]]:
        """Rater -> labels, for what was submitted; of two by one rater, the later stands."""
        return {one.rater: one.labels for one in self.judgements if one.status == "submitted"}


def shown_text(item: Item) -> str:
    """What a rater reads: the message, or the turns one a line behind their speakers."""
    turns = [turn for turn in item.messages if turn.get("role") != "system"]
    if len(turns) == 1:
        return str(turns[0].get("content", ""))
    return "\n".join(f"{turn.get('role')}: {turn.get('content', '')}" for turn in turns)


def from_row(row: Mapping[str, Any], *, rater: str | None = None) -> Item:
    """The item of a row as `rows.jsonl` holds it.

    Args:
        row: plain values of a `Row`.
        rater: whose judgement the row's own label is; None: it is a guess of the model `source`.
    """
    labels = tuple(row.get("labels") or ([row["label"]] if row.get("label") else []))
    source = row.get("source") or {}
    own = Judgement(rater=rater, labels=labels) if rater is not None and labels else None
    return Item(
        id=row["id"],
        messages=tuple(row.get("messages") or ()),
        judgements=() if own is None else (own,),
        guesses=(Guess(labels=labels, model="source"),) if labels and rater is None else (),
        file=str(source.get("file", "")),
        line=int(source.get("line", 0)),
        meta=row.get("meta") or {},
    )


def to_json(item: Item) -> dict[str, Any]:
    """Plain values, what is at its default left out."""
    value: dict[str, Any] = {"row": item.id, "messages": list(item.messages)}
    if item.judgements:
        value["judgements"] = [_lean(_plain_judgement(one)) for one in item.judgements]
    if item.guesses:
        value["guesses"] = [
            _lean({"labels": list(one.labels), "score": one.score, "model": one.model}) for one in item.guesses
        ]
    return value | _lean({"file": item.file or None, "line": item.line or None, "meta": item.meta or None})


def item_of(value: Mapping[str, Any], *, where: str) -> Item:
    """The item that plain values describe; a row of a dataset is one too.

    Raises:
        DataError: no id, or labels, judgements or guesses of another shape; `where` is named.
    """
    try:
        if "row" not in value and "source" in value:
            return from_row(value)
        return Item(
            id=str(value["row"]),
            messages=tuple(value.get("messages") or ()),
            judgements=tuple(_judgement(one) for one in value.get("judgements") or ()),
            guesses=tuple(
                Guess(labels=_names(one["labels"]), score=one.get("score"), model=one.get("model"))
                for one in value.get("guesses") or ()
            ),
            file=str(value.get("file") or ""),
            line=int(value.get("line") or 0),
            meta=value.get("meta") or {},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError("labels.bad_item", problem=_problem(error), where=where) from error


def read_items(path: Path, *, shown: str | None = None) -> Iterator[Item]:
    """The items of one of our own files, one at a time.

    Raises:
        DataError: a line is no item; `file:line` is named.
    """
    name = shown or str(path)
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{name}:{number}"
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DataError("labels.bad_item", problem=error, where=where) from error
            if not isinstance(value, dict):
                raise DataError("labels.bad_item", problem="it is no object", where=where)
            yield item_of(value, where=where)


def _plain_judgement(one: Judgement) -> dict[str, Any]:
    status = None if one.status == "submitted" else one.status
    return {"rater": one.rater, "labels": list(one.labels), "status": status, "at": one.at, "seconds": one.seconds}


def _judgement(value: Mapping[str, Any]) -> Judgement:
    status = value.get("status") or "submitted"
    if status not in STATUSES:
        raise ValueError(f"unknown status {status}")
    names = _names(value["labels"])
    return Judgement(
        rater=str(value["rater"]), labels=names, status=status, at=value.get("at"), seconds=value.get("seconds")
    )


def _names(value: Iterable[Any]) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise ValueError("labels is not a list of names")
    return tuple(value)


def _lean(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if part is not None}


def _problem(error: Exception) -> str:
    return f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)
