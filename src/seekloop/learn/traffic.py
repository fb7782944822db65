"""A window of production, read back: its answers, and the feedback that counts for each."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from seekloop.artifact.consents import Statement
from seekloop.artifact.kinds import Traffic
from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.learn.decisions import Decision, newest
from seekloop.learn.speakers import Speaker, speaker_of
from seekloop.system.errors import DataError

__all__ = ["ANSWERS", "CONSENT", "DECISIONS", "FEEDBACK", "Heard", "Window", "read_window", "window_of"]

ANSWERS, FEEDBACK = "answers.jsonl", "feedback.jsonl"
CONSENT, DECISIONS = "consent.jsonl", "decisions.jsonl"
"""Written only where anybody decided or said anything."""
RecordT = TypeVar("RecordT", Answer, Feedback, Statement)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One answer with the newest feedback of one speaker on it, or with what a reviewer decided."""

    answer: Answer
    line: int
    """Of the answer in `answers.jsonl`, one-based."""
    turns: tuple[Message, ...]
    """What was asked."""
    feedback: Feedback
    speaker: Speaker
    decision: Decision | None = None
    """What it stands for, where it is no feedback but a review."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a traffic artifact holds."""

    answers: tuple[Answer, ...]
    heard: tuple[Heard, ...]
    """What was said of answers, in the order of saying: one for each answer and speaker, and for each decision."""
    feedback: int
    """Pieces of feedback."""
    superseded: int
    """Pieces of feedback on an answer that the same speaker spoke of again."""
    unknown_answer: int
    """Pieces of feedback on answers that are not in the window."""
    outcome_only: int = 0
    """Pieces of feedback that tell what became of an answer, and nothing of the answer."""
    said: tuple[Feedback, ...] = ()
    """All feedback on answers of the window."""
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    """Answer -> what a reviewer decided."""
    consents: Mapping[str, Statement] = field(default_factory=dict)
    """Answer -> the newest thing that was said of learning from it."""


def read_window(traffic: Traffic, *, store: Store) -> Window:
    """Read `answers.jsonl` and `feedback.jsonl`.

    Raises:
        DataError: a line is not what the ledger writes.
        ArtifactError: a file is missing.
    """
    has = CONSENT in traffic.files
    return window_of(
        _records(store.path(traffic.id, ANSWERS), Answer),
        _records(store.path(traffic.id, FEEDBACK), Feedback),
        decisions=_decisions(traffic, store),
        consents=_records(store.path(traffic.id, CONSENT), Statement) if has else (),
    )


def window_of(
    answers: Sequence[Answer],
    feedback: Sequence[Feedback],
    *,
    decisions: Iterable[Decision] = (),
    consents: Iterable[Statement] = (),
) -> Window:
    """What was answered and said, put together: of each answer and speaker the newest opinion, and what was decided.

    Args:
        answers: in the order of their lines.
        feedback: in any order.
        decisions: of reviewers.
        consents: what was said of learning from answers, oldest first.

    Raises:
        DataError: a turn of an answer is none.
    """
    lines = {answer.id: line for line, answer in enumerate(answers, start=1)}
    known = [one for one in sorted(feedback, key=_when) if one.answer in lines]
    opinions = [one for one in known if one.is_opinion]
    spoken: dict[tuple[str, Speaker], Heard] = {}
    for one in opinions:
        heard = _heard(answers, lines[one.answer], feedback=one)
        spoken[one.answer, heard.speaker] = heard
    decided = {id_: one for id_, one in newest(decisions).items() if id_ in lines}
    reviewed = [_heard(answers, lines[one.answer], feedback=one.as_feedback, decision=one) for one in decided.values()]
    return Window(
        answers=tuple(answers),
        heard=tuple(sorted([*spoken.values(), *reviewed], key=lambda one: _when(one.feedback))),
        feedback=len(feedback),
        superseded=len(opinions) - len(spoken),
        unknown_answer=len(feedback) - len(known),
        outcome_only=len(known) - len(opinions),
        said=tuple(known),
        decisions=decided,
        consents={one.answer: one for one in consents},
    )


def _decisions(traffic: Traffic, store: Store) -> Iterator[Decision]:
    if DECISIONS not in traffic.files:
        return
    with store.path(traffic.id, DECISIONS).open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            with _told_as_a_sentence(DECISIONS, number):
                yield Decision.read(json.loads(line))


def _when(feedback: Feedback) -> tuple[str, str]:
    return feedback.at, feedback.id


def _heard(answers: Sequence[Answer], line: int, *, feedback: Feedback, decision: Decision | None = None) -> Heard:
    answer = answers[line - 1]
    with _told_as_a_sentence(ANSWERS, line):
        turns = tuple(Message.model_validate(turn) for turn in answer.messages)
    return Heard(
        answer=answer,
        line=line,
        turns=turns,
        feedback=feedback,
        speaker=speaker_of(answer, feedback),
        decision=decision,
    )


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
