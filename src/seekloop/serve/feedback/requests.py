"""Feedback and consent as they come in: strict types, in one way at least."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seekloop.artifact.records import Signal
from seekloop.serve.protocol import Body

__all__ = ["ConsentRequest", "FeedbackRequest", "OutcomeBody", "RatingRequest"]

Dimension = Annotated[str, Field(min_length=1, max_length=64)]
Stars = Annotated[int, Field(ge=1, le=5)]
Name = Annotated[str, Field(min_length=1, max_length=512)]


class OutcomeBody(Body):
    """How the matter ended that an answer was given in."""

    completed: bool | None = None
    """Whether the task was done."""
    resolved_by: Literal["model", "person"] | None = None
    """Who did it in the end."""
    value: Annotated[float, Field(ge=-1e12, le=1e12)] | None = None
    """What it was worth; may be negative."""
    unit: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    """Of `value`."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(one is None for one in (self.completed, self.resolved_by, self.value)):
            raise ValueError("an outcome says completed, resolved_by or value")
        if self.unit is not None and self.value is None:
            raise ValueError("unit belongs to a value")
        return self


class FeedbackRequest(Body):
    """Body of `POST /v1/feedback` and `/v1/ratings`, and one line of a batch."""

    answer: str
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Idempotency key; None: made from what is said, so that saying it twice counts once."""
    label: str | None = None
    """The right label."""
    correction: str | None = None
    """The right answer, in full."""
    score: Annotated[float, Field(ge=0, le=1)] | None = None
    """0 to 1; a thumb is 0 or 1."""
    comment: str | None = None
    ratings: Annotated[dict[Dimension, Stars], Field(min_length=1, max_length=32)] | None = None
    """1 (worst) to 5 (best) by dimension, such as `correctness` or `tone`."""
    outcome: OutcomeBody | None = None
    """How the matter ended."""
    signals: Annotated[list[Signal], Field(min_length=1, max_length=8)] | None = None
    """What people did with the answer, without saying anything of it."""
    user: Name | None = None
    """Which of the caller's end users says so; caps and tests against poisoning go by it."""
    consent: bool | None = None
    """Whether they allow that it is learnt from."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = (self.label, self.correction, self.score, self.comment, self.ratings, self.outcome, self.signals)
        if all(one is None for one in said):
            raise ValueError("give a label, a correction, a score, ratings, a comment, an outcome or signals")
        return self


class RatingRequest(FeedbackRequest):
    """Body of `POST /v1/ratings`: feedback with ratings in it."""

    ratings: Annotated[dict[Dimension, Stars], Field(min_length=1, max_length=32)]


class ConsentRequest(Body):
    """Body of `POST /v1/consent`: whether it may be learnt from an answer, a user's answers, or all of the caller's."""

    consent: bool
    answer: str | None = None
    user: Name | None = None
    reason: Annotated[str, Field(min_length=1, max_length=2000)] = "said by the caller"

    @model_validator(mode="after")
    def _about_one_thing(self) -> Self:
        if self.answer is not None and self.user is not None:
            raise ValueError("give an answer or a user, not both")
        return self
