"""Who writes the rows that a label lacks: the endpoint, what an answer must pass, and where the asking stops."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from seekloop.data.synthesise.spec import (
    BudgetSpec,
    Language,
    ParaphraseSpec,
    SynthesiseSpec,
    TeacherSpec,
)
from seekloop.runtime.endpoint.spec import require_price
from seekloop.system.spec import Spec

__all__ = ["BalanceTeacherSpec"]


class BalanceTeacherSpec(Spec):
    """Train rows of the label said in other words by a larger model, each checked before it is taken."""

    endpoint: TeacherSpec
    """Whom to ask, and at what price."""
    budget: BudgetSpec = BudgetSpec()
    """Where the asking stops: rows, money, tokens."""
    per_request: int = Field(default=5, ge=1, le=50)
    """Paraphrases of one row in one answer."""
    rounds: int = Field(default=3, ge=1)
    """How often what is still missing is asked for again."""
    attempts: int = Field(default=3, ge=1, le=10)
    """Answers to one request, each told what was wrong with the one before, until it fits its schema."""
    similarity: float = Field(default=0.9, ge=0.3, le=1)
    """What is at least this much like a train row, or like another row that was made, is not taken."""
    label_check: float | None = Field(default=0.99, ge=0.5, lt=1)
    """A row is refused as `label_differs` where a classifier of the train rows is this sure of another label; None: no
    check."""
    mask: bool = True
    """Replace personal data in rows by its kind before a teacher sees it."""
    language: Language | None = None
    """Language of the prompt and of what is made; None: that of each row."""
    prompt: str | None = None
    """A Jinja file of your own instead of our prompt."""

    @model_validator(mode="after")
    def _money_has_a_price(self) -> Self:
        require_price(self.budget, self.endpoint)
        return self

    def synthesis(self, *, per_label: int) -> SynthesiseSpec:
        """The same as a synthesis, for labels that should have so many rows each."""
        task = ParaphraseSpec(
            per_label=per_label,
            per_request=self.per_request,
            rounds=self.rounds,
            language=self.language,
            prompt=self.prompt,
        )
        return SynthesiseSpec(
            teacher=self.endpoint,
            task=task,
            mask=self.mask,
            attempts=self.attempts,
            similarity=self.similarity,
            budget=self.budget,
            label_check=self.label_check,
        )
