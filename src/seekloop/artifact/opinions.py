"""How a piece of feedback stands in the ledger: its figures in the event, what identifies people in the payload."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seekloop.artifact.records import Event, Feedback, Outcome

__all__ = ["content", "facts_of", "opinion", "repeats", "text_of"]


def facts_of(feedback: Feedback) -> dict[str, Any]:
    """What the event says; what was added since the first ledgers is left out where nothing was said of it."""
    facts: dict[str, Any] = {name: vars(feedback)[name] for name in ("at", "answer", "score", "label")}
    if feedback.ratings:
        facts["ratings"] = dict(feedback.ratings)
    if feedback.consent is not None:
        facts["consent"] = feedback.consent
    return facts


def text_of(feedback: Feedback) -> dict[str, Any]:
    """What is encrypted."""
    text: dict[str, Any] = {"correction": feedback.correction, "comment": feedback.comment}
    if feedback.outcome is not None:
        text["outcome"] = {name: value for name, value in vars(feedback.outcome).items() if value is not None}
    if feedback.signals:
        text["signals"] = list(feedback.signals)
    if feedback.user is not None:
        text["user"] = feedback.user
    return text


def opinion(event: Event, text: Mapping[str, Any]) -> Feedback:
    """The feedback of an event and its text."""
    facts, rest = event.facts, dict(text)
    outcome = rest.pop("outcome", None)
    return Feedback(
        id=event.subject,
        answer=facts["answer"],
        at=facts["at"],
        caller=event.actor,
        score=facts["score"],
        label=facts["label"],
        ratings=facts.get("ratings", {}),
        consent=facts.get("consent"),
        outcome=None if outcome is None else Outcome(**outcome),
        signals=tuple(rest.pop("signals", ())),
        **rest,
    )


def content(feedback: Feedback) -> dict[str, Any]:
    """What is said and who says it, without when: what has to be equal under one id."""
    return dataclasses.asdict(dataclasses.replace(feedback, at=""))


def repeats(feedback: Feedback, event: Event, *, text: Mapping[str, Any] | None) -> bool:
    """Whether feedback says what an event says already; of a text that was erased, only the figures are compared."""
    if text is not None:
        return content(feedback) == content(opinion(event, text))
    figures = {name: value for name, value in facts_of(feedback).items() if name != "at"}
    return (feedback.caller, figures) == (event.actor, {name: event.facts.get(name) for name in figures})
