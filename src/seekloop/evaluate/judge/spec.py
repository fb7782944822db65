"""Which model judges, within which budget, and how often it is asked again."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.runtime.endpoint.spec import EndpointSpec, LimitSpec, require_price
from seekloop.system.spec import Spec

__all__ = ["JudgeBudgetSpec", "JudgeEndpointSpec", "JudgeSpec"]


class JudgeEndpointSpec(EndpointSpec):
    """An OpenAI-compatible chat endpoint whose model judges."""

    temperature: float = Field(default=0.0, ge=0, le=2)
    """Of sampling; 0, so that it judges alike again."""
    max_tokens: int = Field(default=512, ge=1)
    """Tokens of a verdict at most."""


class JudgeBudgetSpec(LimitSpec):
    """Where the asking stops. What was answered in earlier runs counts too."""

    requests: int | None = Field(default=None, ge=1)
    """Answers at most; a pair takes two."""


class JudgeSpec(Spec):
    """A judge model, asked a study's questions about every row of its reports."""

    endpoint: JudgeEndpointSpec
    """Whom to ask."""
    budget: JudgeBudgetSpec = JudgeBudgetSpec()
    """Where the asking stops."""
    attempts: int = Field(default=2, ge=1, le=5)
    """Answers to one question, each told what was wrong with the one before; then it counts as invalid."""
    language: Literal["en", "zh"] | None = None
    """Of the question; None: that of each conversation."""
    reference: bool = False
    """Show the judge the dataset's right answer."""
    guide: str = ""
    """What the house expects beside the anchors."""
    patience: int = Field(default=5, ge=1)
    """Questions in a row that the endpoint may leave unanswered, after all retries, before the asking stops."""

    @model_validator(mode="after")
    def _money_has_a_price(self) -> Self:
        require_price(self.budget, self.endpoint)
        return self
