"""What a teacher is asked: which model, at what price, which tasks, and what is done with its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.runtime.endpoint.spec import EndpointSpec, LimitSpec, require_price
from seekloop.system.spec import Spec

__all__ = [
    "BudgetSpec",
    "DocumentSpec",
    "InstructSpec",
    "Language",
    "ParaphraseSpec",
    "ReplySpec",
    "ScoreSpec",
    "SynthesiseInputs",
    "SynthesiseSpec",
    "TaskSpec",
    "TeacherSpec",
]

Language = Literal["en", "zh"]


class TeacherSpec(EndpointSpec):
    """An OpenAI-compatible chat endpoint."""


class BudgetSpec(LimitSpec):
    """Where the asking stops. What was answered in earlier runs of the same spec counts too."""

    rows: int | None = Field(default=None, ge=1)
    """Rows that are kept."""


class _Task(Spec):
    language: Language | None = None
    """Language of the prompt and of what is made; None: that of each seed."""
    prompt: str | None = None
    """A Jinja file of your own instead of our prompt; ours are in `data/synthesise/prompts`."""


class ParaphraseSpec(_Task):
    """Seeds said in other words, until every label has enough rows."""

    kind: Literal["paraphrase"] = "paraphrase"
    per_label: int = Field(default=500, ge=1)
    """Rows that every label should have, seeds included."""
    labels: tuple[str, ...] = ()
    """Labels to fill; empty: all that the seeds have."""
    per_request: int = Field(default=5, ge=1, le=50)
    """Paraphrases of one seed in one answer."""
    rounds: int = Field(default=3, ge=1)
    """How often what is still missing is asked for again."""


class InstructSpec(_Task):
    """New tasks in the manner of seed tasks (self-instruct, Wang et al. 2023)."""

    kind: Literal["instruct"] = "instruct"
    rows: int = Field(default=100, ge=1)
    """Tasks to make."""
    per_request: int = Field(default=4, ge=1, le=20)
    """Tasks in one answer."""
    examples: int = Field(default=3, ge=1)
    """Seed tasks shown in one request."""
    rounds: int = Field(default=3, ge=1)
    """How often what is still missing is asked for again."""


class DocumentSpec(_Task):
    """Questions and answers from each seed's text, each with a quotation that must stand in the text."""

    kind: Literal["document"] = "document"
    per_request: int = Field(default=3, ge=1, le=20)
    """Questions for one text."""


class ReplySpec(_Task):
    """A reply to each seed's message; labels stay."""

    kind: Literal["reply"] = "reply"
    guide: str = ""
    """What replies must keep to: the house's tone, what may be promised."""


class ScoreSpec(_Task):
    """A critique of each seed's answer, and a score from 1 to 5; rows below `least` are dropped."""

    kind: Literal["score"] = "score"
    least: int = Field(default=3, ge=1, le=5)
    """The lowest score that is kept."""


TaskSpec = Annotated[ParaphraseSpec | InstructSpec | DocumentSpec | ReplySpec | ScoreSpec, Field(discriminator="kind")]


class SynthesiseSpec(Spec):
    """From seeds to a corpus of rows that a teacher wrote."""

    teacher: TeacherSpec
    """Whom to ask."""
    task: TaskSpec
    """What for."""
    seeds: int | None = Field(default=None, ge=1)
    """Seeds to use at most, chosen by the run's seed; None: all."""
    mask: bool = True
    """Replace personal data in seeds by its kind before a teacher sees it."""
    attempts: int = Field(default=3, ge=1, le=10)
    """Answers to one request, each told what was wrong with the one before, until it fits its schema."""
    similarity: float = Field(default=0.9, ge=0.3, le=1)
    """What is at least this much like a seed, or like another row that was made, is dropped as a duplicate."""
    label_check: float | None = Field(default=0.99, ge=0.5, lt=1)
    """A row is dropped as `label_differs` where a classifier of the labelled seeds is this sure of another label; None:
    no check. Labels of fewer than five seeds are not checked."""
    budget: BudgetSpec = BudgetSpec()
    """Where the asking stops."""

    @model_validator(mode="after")
    def _money_has_a_price(self) -> Self:
        require_price(self.budget, self.teacher)
        return self


@dataclass(frozen=True, kw_only=True)
class SynthesiseInputs:
    """Where seeds come from: one of the two."""

    corpus: Corpus | None = None
    """Rows that were read; those that a source fixes as test or validation are no seeds."""
    dataset: Dataset | None = None
    """Its train rows are seeds; what is like its held-out rows is dropped."""
