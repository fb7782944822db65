"""Argilla's records of ratings: one a task, one response a rater and question. All raters see the same sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seekloop.evaluate.human.book import Rating
from seekloop.evaluate.human.desk import CHOICES, sides
from seekloop.evaluate.human.spec import HIGHEST, Ask, Dimension
from seekloop.evaluate.human.tasks import Task

__all__ = ["lines_of", "record", "settings"]

_choice, _comment = "choice", "comment"


def settings(dimensions: Sequence[Dimension], ask: Sequence[Ask]) -> dict[str, Any]:
    """The dataset's fields and questions, as Argilla's REST API names them."""
    pairs = "prefer" in ask
    names = ["question", "answer_1", *(["answer_2"] if pairs else [])]
    questions = [
        {
            "name": one.name,
            "title": one.title.en,
            "description": f"{one.question.en} 0: {one.anchors[0].en}; {HIGHEST}: {one.anchors[HIGHEST].en}",
            "required": not pairs,
            "settings": {"type": "rating", "options": [{"value": value} for value in range(HIGHEST + 1)]},
        }
        for one in (dimensions if "rate" in ask else ())
    ]
    options = [{"value": value, "text": value, "description": None} for value in CHOICES]
    better = {"name": _choice, "title": "Which answer is better?", "required": "rate" not in ask}
    return {
        "fields": [
            {
                "name": name,
                "title": name,
                "required": name != "answer_2",
                "settings": {"type": "text", "use_markdown": False},
            }
            for name in names
        ],
        "questions": [
            *questions,
            *([{**better, "settings": {"type": "label_selection", "options": options}}] if pairs else []),
            {"name": _comment, "title": "Comment", "required": False, "settings": {"type": "text"}},
        ],
        "allow_extra_metadata": True,
    }


def record(task: Task, ratings: Iterable[Rating], *, swapped: bool, asked: str) -> dict[str, Any]:
    """The record of a task with what raters said of it."""
    shown = (*reversed(task.answers),) if swapped else task.answers
    back: dict[str | None, str] = {winner: choice for choice, winner in sides(swapped).items()}
    responses: dict[str, list[dict[str, Any]]] = {}
    for one in ratings:
        status = "discarded" if one.skipped else "submitted"
        given: dict[str, Any] = dict(one.values)
        if one.winner is not None:
            given[_choice] = back[one.winner]
        if one.comment or not given:
            given[_comment] = one.comment
        for question, value in given.items():
            responses.setdefault(question, []).append({"value": value, "user_id": one.rater, "status": status})
    return {
        "id": task.id,
        "fields": {"question": asked, **{f"answer_{place}": text for place, text in enumerate(shown, start=1)}},
        "metadata": {"kind": task.kind},
        "suggestions": {},
        "responses": responses,
        "vectors": {},
        "status": "completed" if responses else "pending",
        "_server_id": None,
    }


def lines_of(value: Mapping[str, Any], dimensions: Sequence[Dimension]) -> Iterator[dict[str, Any]]:
    """What each rater said in a record, as the lines of a sheet; drafts say nothing.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is no record.
    """
    item = str(value.get("id") or value["external_id"])
    said: dict[str, dict[str, Any]] = {}
    for question, one in _responses(value.get("responses") or {}):
        rater = str(one["user_id"])
        line = said.setdefault(rater, {"item": item, "rater": rater})
        if one.get("status") == "discarded":
            line["skipped"] = "x"
        elif one.get("status") == "draft":
            continue
        elif question in (_choice, _comment, *(name.name for name in dimensions)):
            line[question] = one["value"]
        else:
            raise ValueError(f"unknown question {question}")
    yield from said.values()


def _responses(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Question and answer, from the form of Argilla's client and from that of its server."""
    if isinstance(value, Mapping):
        yield from ((question, one) for question, answers in value.items() for one in answers)
        return
    for response in value:
        told = {"user_id": response["user_id"], "status": response.get("status")}
        yield from ((name, {**told, "value": one["value"]}) for name, one in (response.get("values") or {}).items())
