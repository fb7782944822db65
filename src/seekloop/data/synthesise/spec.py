"""What a teacher is asked: which model, at what price, which tasks, and what is done with its answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from seekloop.artifact.kinds import Corpus, Dataset
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
    "require_price",
]

Language = Literal["en", "zh"]
_reference = re.compile(r"\$\{\w+\}")


def _named(value: str | None) -> str | None:
    if value is not None and not _reference.fullmatch(value):
        raise ValueError("write it as ${NAME} and set the environment variable NAME: specs are kept in the ledger")
    return value


class TeacherSpec(Spec):
    """An OpenAI-compatible chat endpoint."""

    url: str = Field(pattern=r"^https?://")
    """Address up to `/v1`: `https://api.deepseek.com/v1`, `http://127.0.0.1:8000/v1`."""
    model: str
    """Name of the model, as the endpoint knows it."""
    key: Annotated[str | None, AfterValidator(_named)] = None
    """The key, as `${NAME}`: read from the environment and never stored. None: the endpoint wants none."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    """Of sampling."""
    max_tokens: int = Field(default=1_024, ge=1)
    """Tokens of an answer at most."""
    json_mode: bool = True
    """Ask for a JSON object (`response_format`); switch off for endpoints that do not know it."""
    concurrency: int = Field(default=4, ge=1, le=256)
    """Requests under way at once."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """None: no limit of ours."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens in and out; None: no limit of ours."""
    timeout_s: float = Field(default=120.0, gt=0)
    """How long an answer may take."""
    retries: int = Field(default=6, ge=0)
    """How often a request is sent again after a fault: no connection, an answer cut short, 408, 429, 5xx."""
    backoff_s: float = Field(default=1.0, gt=0)
    """Pause before the first repetition; doubled each time, at most a minute. `Retry-After` comes before it."""
    price_in: float | None = Field(default=None, ge=0)
    """Money for a million tokens of prompts."""
    price_out: float | None = Field(default=None, ge=0)
    """Money for a million tokens of answers."""


class BudgetSpec(Spec):
    """Where the asking stops. What was answered in earlier runs of the same spec counts too."""

    money: float | None = Field(default=None, gt=0)
    """In the currency of the prices."""
    tokens: int | None = Field(default=None, ge=1)
    """In and out together."""
    rows: int | None = Field(default=None, ge=1)
    """Rows that are kept."""


def require_price(budget: BudgetSpec, teacher: TeacherSpec) -> None:
    """Refuse a budget in money that nothing could be counted against.

    Raises:
        ValueError: the teacher has no price.
    """
    if budget.money is not None and teacher.price_in is None and teacher.price_out is None:
        raise ValueError("a budget in money needs the teacher's price_in or price_out")


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
