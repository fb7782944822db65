"""A window of production, read back: its answers, and the feedback that counts for each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from seekloop.artifact.kinds import Traffic
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.system.errors import DataError

__all__ = ["ANSWERS", "FEEDBACK", "Heard", "Window", "read_window"]

ANSWERS, FEEDBACK = "answers.jsonl", "feedback.jsonl"
RecordT = TypeVar("RecordT", Answer, Feedback)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One answer with the newest feedback on it."""

    answer: Answer
    line: int
    """Of the answer in `answers.jsonl`, one-based."""
    turns: tuple[Message, ...]
    """What was asked."""
    feedback: Feedback


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a traffic artifact holds."""

    answers: tuple[Answer, ...]
    heard: tuple[Heard, ...]
    """Answers that somebody judged, in the order of the feedback."""
    feedback: int
    """Pieces of feedback."""
    superseded: int
    """Pieces of feedback on an answer that a later one speaks of again."""
    unknown_answer: int
    """Pieces of feedback on answers that are not in the window."""


def read_window(traffic: Traffic, *, store: Store) -> Window:
    """Read `answers.jsonl` and `feedback.jsonl`.

    Raises:
        DataError: a line is not what the ledger writes.
        ArtifactError: a file is missing.
    """
    answers = _records(store.path(traffic.id, ANSWERS), Answer)
    feedback = _records(store.path(traffic.id, FEEDBACK), Feedback)
    lines = {answer.id: line for line, answer in enumerate(answers, start=1)}
    newest: dict[str, Feedback] = {}
    for one in sorted(feedback, key=_when):
        if one.answer in lines:
            newest[one.answer] = one
    unknown = sum(one.answer not in lines for one in feedback)
    heard = [_heard(answers, lines[one.answer], feedback=one) for one in sorted(newest.values(), key=_when)]
    return Window(
        answers=tuple(answers),
        heard=tuple(heard),
        feedback=len(feedback),
        superseded=len(feedback) - unknown - len(heard),
        unknown_answer=unknown,
    )


def _when(feedback: Feedback) -> tuple[str, str]:
    return feedback.at, feedback.id


def _heard(answers: Sequence[Answer], line: int, *, feedback: Feedback) -> Heard:
    answer = answers[line - 1]
    with _told_as_a_sentence(ANSWERS, line):
        turns = tuple(Message.model_validate(turn) for turn in answer.messages)
    return Heard(answer=answer, line=line, turns=turns, feedback=feedback)


def _records(path: Path, kind: type[RecordT]) -> list[RecordT]:
    adapter, records = TypeAdapter(kind), []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            with _told_as_a_sentence(path.name, number):
                records.append(adapter.validate_json(line))
    return records


@contextlib.contextmanager
def _told_as_a_sentence(name: str, line: int) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or "the line"
        raise DataError("learn.bad_traffic", field=field, problem=problem["msg"], where=f"{name}:{line}") from error
