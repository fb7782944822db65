"""What mining looks at: one message with its answer, whether it comes from production or from a dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.records import Answer, Feedback
from seekloop.artifact.rows import Row
from seekloop.learn.judging import judge
from seekloop.text import labelled
from seekloop.text.labelled import AnswerForm

__all__ = ["Seen", "of_answers", "of_rows", "question", "text_of"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One message, and what was answered."""

    id: str
    """Of the answer or the row."""
    text: str
    """What the person asked last."""
    answer: str = ""
    """What was answered, in full."""
    label: str | None = None
    """The label that was answered; of a dataset's row, the right one."""
    caller: str = ""
    is_right: bool | None = None
    """What somebody said of it; None: nobody did, or nothing clear."""
    right_label: str | None = None
    """The right label, where somebody gave one."""
    is_unclear: bool = False
    """Somebody found fault with it, and did not say enough to learn from."""
    logprob: float | None = None
    """Mean log-probability of the answer's tokens, in nats; None: it was not recorded."""
    first_token_ms: float | None = None


def of_answers(
    answers: Iterable[Answer],
    feedback: Iterable[Feedback] = (),
    *,
    form: AnswerForm = "text",
    labels: Collection[str] = (),
    bad_score: float = 0.5,
) -> list[Seen]:
    """Answers of production, with what was said of each; of several pieces of feedback the newest counts.

    Args:
        answers: of a window. Those that were not finished, and those without a message, are left out.
        feedback: on any answers.
        form: what the dataset's answers hold.
        labels: those that the dataset knows.
        bad_score: a score below this finds fault.
    """
    newest: dict[str, Feedback] = {}
    for one in sorted(feedback, key=lambda one: (one.at, one.id)):
        newest[one.answer] = one
    found = []
    for answer in answers:
        text = question(answer.messages)
        if text and answer.finish_reason not in ("cancelled", "error"):
            said = newest.get(answer.id)
            found.append(_seen(answer, text, said=said, form=form, labels=labels, bad_score=bad_score))
    return found


def of_rows(rows: Iterable[Row]) -> list[Seen]:
    """Rows of a dataset that have a message; each with its right label."""
    found = []
    for row in rows:
        text = question([turn.model_dump() for turn in row.messages])
        if text:
            found.append(Seen(id=row.id, text=text, label=row.label, is_right=True))
    return found


def question(messages: Iterable[Any]) -> str:
    """What the person asked last: the text of the last turn of a user; empty where there is none."""
    for turn in reversed(list(messages)):
        if turn.get("role") == "user":
            return text_of(turn).strip()
    return ""


def text_of(turn: Mapping[str, Any]) -> str:
    """The text of a turn, which may come in parts."""
    content = turn.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _seen(
    answer: Answer, text: str, *, said: Feedback | None, form: AnswerForm, labels: Collection[str], bad_score: float
) -> Seen:
    judged = None if said is None else judge(answer.content, said, form=form, labels=labels, bad_score=bad_score)
    is_right = None
    if judged is not None and judged.reason != "no_opinion":
        is_right = judged.reason == "confirmed"
    logprob = answer.decoding.get("logprob")
    return Seen(
        id=answer.id,
        text=text,
        answer=answer.content,
        label=labelled.split(answer.content, form)[0],
        caller=answer.caller,
        is_right=is_right,
        right_label=None if judged is None else judged.label,
        is_unclear=judged is not None and judged.reason in ("missing_answer", "missing_label", "contradictory"),
        logprob=float(logprob) if isinstance(logprob, int | float) else None,
        first_token_ms=answer.first_token_ms,
    )
