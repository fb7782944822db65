"""Argilla: items as the records of its Python client and back.

A record has `fields`, `suggestions` (one a question) and `responses` (one a user and question, with their status).
Argilla has no levels: a class is its path as one name. What a record cannot hold is counted and said: a second guess
of a model, when a response was given and how long it took, tool calls, nested metadata.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seekloop.data.labels.items import STATUSES, Guess, Item, Judgement, Status, shown_text
from seekloop.data.labels.taxonomy import Taxonomy

__all__ = ["QUESTION", "from_record", "is_record", "settings", "to_record"]

QUESTION = "label"
"""Name of the question that we write."""


def settings(taxonomy: Taxonomy, *, multi: bool) -> dict[str, Any]:
    """The dataset's fields and its question, as Argilla's REST API names them."""
    options = [
        {"value": label.path, "text": label.path, "description": " ".join(label.description.values()) or None}
        for label in taxonomy.labels
    ]
    kind = "multi_label_selection" if multi else "label_selection"
    return {
        "fields": [
            {"name": "text", "title": "text", "required": True, "settings": {"type": "text", "use_markdown": False}},
            {"name": "messages", "title": "messages", "required": False, "settings": {"type": "chat"}},
        ],
        "questions": [{"name": QUESTION, "required": True, "settings": {"type": kind, "options": options}}],
        "allow_extra_metadata": True,
    }


def to_record(item: Item, *, multi: bool) -> tuple[dict[str, Any], Counter[str]]:
    """The record of an item, and what it could not hold, counted by kind."""
    lost: Counter[str] = Counter()
    fields: dict[str, Any] = {"text": shown_text(item)}
    if not _is_plain(item):
        fields["messages"] = [{"role": one.get("role"), "content": one.get("content", "")} for one in item.messages]
        lost["tool calls and reasoning"] += sum(bool(set(one) - {"role", "content"}) for one in item.messages)
    flat = {name: value for name, value in item.meta.items() if isinstance(value, str | int | float)}
    lost["nested metadata"] += len(item.meta) - len(flat)
    lost["further guesses"] += max(0, len(item.guesses) - 1)
    lost["times of responses"] += sum(one.at is not None or one.seconds is not None for one in item.judgements)
    if not multi:
        lost["answers without a label"] += sum(not one.labels for one in item.judgements if one.status == "submitted")
    place = {"file": item.file, "line": item.line} if item.file else {}
    best = max(item.guesses, key=lambda one: one.score if one.score is not None else -1.0, default=None)
    guess = None if best is None else _value(best.labels, multi, lost=lost)
    said = [
        {"value": _value(one.labels, multi, lost=lost), "user_id": one.rater, "status": one.status}
        for one in item.judgements
        if multi or one.labels or one.status != "submitted"
    ]
    record = {
        "id": item.id,
        "fields": fields,
        "metadata": flat | place,
        "suggestions": {} if best is None else {QUESTION: {"value": guess, "score": best.score, "agent": best.model}},
        "responses": {QUESTION: said} if said else {},
        "vectors": {},
        "status": "completed" if any(one.status == "submitted" for one in item.judgements) else "pending",
        "_server_id": None,
    }
    return record, +lost


def is_record(value: Mapping[str, Any]) -> bool:
    """Whether plain values look like a record."""
    return isinstance(value.get("fields"), Mapping)


def from_record(record: Mapping[str, Any], *, question: str | None = None) -> tuple[Item, Counter[str]]:
    """The item of a record, and what it could not take, counted by kind.

    Args:
        record: as the client's `to_dict` or the server's REST API gives it.
        question: name of the question to take; None: `label`, or else the first with a label for an answer.

    Raises:
        KeyError, TypeError, ValueError: it is no record.
    """
    fields, left = record["fields"], Counter[str]()
    said = list(_responses(record.get("responses") or {}))
    guessed = list(_suggestions(record.get("suggestions") or {}))
    name = question or _question([one[0] for one in (*said, *guessed)])
    left.update(f"question {one}" for one, _ in (*said, *guessed) if one != name)
    place = record.get("metadata") or {}
    messages = fields.get("messages") or fields.get("chat")
    text = fields.get("text") or next((value for value in fields.values() if isinstance(value, str)), "")
    item = Item(
        id=str(record.get("id") or record.get("external_id") or record["_server_id"]),
        messages=tuple(messages) if messages else ({"role": "user", "content": str(text)},),
        judgements=tuple(_judgement(one) for asked, one in said if asked == name),
        guesses=tuple(
            Guess(labels=_names(one["value"]), score=one.get("score"), model=one.get("agent"))
            for asked, one in guessed
            if asked == name
        ),
        file=str(place.get("file") or ""),
        line=int(place.get("line") or 0),
        meta={key: value for key, value in place.items() if key not in ("file", "line")},
    )
    return item, left


def _is_plain(item: Item) -> bool:
    return len(item.messages) == 1 and set(item.messages[0]) == {"role", "content"} and _is_user(item.messages[0])


def _is_user(turn: Mapping[str, Any]) -> bool:
    return turn.get("role") == "user"


def _value(labels: tuple[str, ...], multi: bool, *, lost: Counter[str]) -> Any:
    if multi:
        return list(labels)
    lost["further labels of a row"] += max(0, len(labels) - 1)
    return labels[0] if labels else None


def _names(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("an answer is not a label or a list of them")
    return tuple(value)


def _responses(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Question and answer of every response, from either form."""
    if isinstance(value, Mapping):
        for question, answers in value.items():
            for answer in answers:
                yield question, dict(answer)
        return
    for response in value:
        told = {"user_id": response.get("user_id"), "status": response.get("status")}
        for question, answer in (response.get("values") or {}).items():
            yield question, {**told, "value": answer["value"], "at": response.get("inserted_at")}


def _suggestions(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, Mapping):
        yield from ((question, dict(one)) for question, one in value.items())
        return
    yield from ((str(one["question_name"]), dict(one)) for one in value)


def _question(names: Iterable[str]) -> str:
    found = list(names)
    return QUESTION if QUESTION in found or not found else found[0]


def _judgement(answer: Mapping[str, Any]) -> Judgement:
    given = answer.get("status") or "submitted"
    status: Status | None = next((one for one in STATUSES if one == given), None)
    if status is None:
        raise ValueError(f"unknown status {given}")
    return Judgement(rater=str(answer["user_id"]), labels=_names(answer["value"]), status=status, at=answer.get("at"))
