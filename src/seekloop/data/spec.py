"""What the data stage is told: where rows come from, and how they become a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.system.spec import Spec
from seekloop.text import pii
from seekloop.text.labelled import AnswerForm

__all__ = [
    "RULES",
    "CleanSpec",
    "ColumnsSpec",
    "ComposeSpec",
    "DataInputs",
    "DataSpec",
    "DedupeSpec",
    "FilterSpec",
    "Format",
    "PiiSpec",
    "ReadSpec",
    "ReplaySpec",
    "SourceSpec",
    "Split",
    "SplitSpec",
]

Split = Literal["train", "validation", "test"]
Format = Literal["alpaca", "sharegpt", "messages", "pairs", "labelled"]
Rule = Literal[
    "empty", "no_letters", "too_short", "too_long", "repeated", "keyboard_mash", "boilerplate", "other_language"
]
RULES: tuple[Rule, ...] = (
    "empty",
    "no_letters",
    "too_short",
    "too_long",
    "repeated",
    "keyboard_mash",
    "boilerplate",
    "other_language",
)
Share = Annotated[float, Field(ge=0, lt=1)]
Similarity = Annotated[float, Field(ge=0.3, le=1)]


class ColumnsSpec(Spec):
    """Which column plays which part. What is left out is found by name, in English or Chinese."""

    text: str | None = None
    """The customer's message, or the instruction."""
    context: str | None = None
    """More of the user's turn, put under the text: alpaca's `input`."""
    label: str | None = None
    """The intent or class."""
    reply: str | None = None
    """The right answer."""
    system: str | None = None
    """A system message of the row's own."""
    history: str | None = None
    """Earlier turns: a list of [question, answer]."""
    messages: str | None = None
    """A whole conversation: a list of turns."""
    tools: str | None = None
    """Tools that the conversation may call: JSON schemas, or the JSON text of them."""
    group: str | None = None
    """What must stay in one split together, such as a ticket or a document."""
    subject: str | None = None
    """The person that the row is about, kept so that it can be traced and erased."""
    split: str | None = None
    """The split that the row belongs to: train, validation or test."""


class SourceSpec(Spec):
    """One file, or a folder with LLaMA-Factory's `dataset_info.json`."""

    path: str
    """Path, relative ones from the project folder; `sample:NAME` is a file of the shipped sample."""
    format: Format | None = None
    """Layout of the records; None: told by their keys."""
    encoding: str | None = None
    """None: told by the bytes; GB18030, UTF-16 and others are read."""
    columns: ColumnsSpec = ColumnsSpec()
    """Columns whose part their names do not tell."""
    split: Split | None = None
    """The split that all rows of this source belong to, for data that comes already split."""
    datasets: tuple[str, ...] = ()
    """For a folder: the names in `dataset_info.json` to read; empty: all that can be read."""


class ReadSpec(Spec):
    """How sources are read."""

    bad_rows: Literal["refuse", "drop"] = "refuse"
    """What to do with a broken line: stop and name it, or keep it among the dropped rows."""


class PiiSpec(Spec):
    """Personal data."""

    mask: tuple[str, ...] = pii.KINDS
    """Kinds to mask; an empty list masks none."""
    allow: tuple[str, ...] = ()
    """Values that stay as they are, such as the house's own hotline."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(set(self.mask) - set(pii.KINDS))
        if unknown:
            raise ValueError(f"unknown kind {unknown[0]}; known: {', '.join(pii.KINDS)}")
        return self


class CleanSpec(Spec):
    """What is done to every text."""

    normalise: bool = True
    """Half-width letters and digits, composed characters, no stray spaces or unseen characters."""
    pii: PiiSpec = PiiSpec()
    """Personal data."""


class FilterSpec(Spec):
    """Rules for noise; the name of the rule is the reason that a dropped row carries."""

    rules: tuple[Rule, ...] = RULES
    """Rules to apply, in this order."""
    min_chars: int = Field(default=2, ge=1)
    """`too_short`: fewer letters and digits than this."""
    max_chars: int = Field(default=20_000, ge=1)
    """`too_long`: a row with more characters than this, all turns together."""
    languages: tuple[str, ...] = ()
    """`other_language`: languages to keep, told by script (`en` is any text in Latin letters); empty: all."""


class DedupeSpec(Spec):
    """Duplicates; the first row of each is kept."""

    exact: bool = True
    """Drop rows that differ at most in case, width, punctuation and spacing."""
    near: bool = True
    """Drop rows that are at least `similarity` alike."""
    similarity: Similarity = 0.9
    """Least Jaccard similarity of the character shingles of a near duplicate."""
    compare: Literal["prompt", "row"] | None = None
    """What is compared: the user's turns, or answers too; None: `prompt` for rows with a label, `row` for others."""
    fixed_test: bool = False
    """Also among the rows that a source fixes as test, where public sets have a known count."""


class SplitSpec(Spec):
    """How rows are shared out; near duplicates and rows of one group stay together."""

    validation: Share = 0.1
    """Share of each label's rows."""
    test: Share = 0.2
    """Share of each label's rows."""
    assign: Literal["exact", "stable"] = "exact"
    """`exact`: every label gets its shares to the row; `stable`: rows never move when others are added, and the
    shares hold on average."""
    similarity: Similarity = 0.9
    """Prompts at least this much alike stay in one split."""

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on")
        return self


class ComposeSpec(Spec):
    """How a row becomes the conversation that is trained."""

    system: str | None = None
    """System message for rows that have none."""
    answer: AnswerForm | None = None
    """What the answer holds; None: label_then_text where most rows have both, else what they have."""


class ReplaySpec(Spec):
    """Train rows of the parent dataset that are trained again, against forgetting; at most one of the two."""

    rows: int | None = Field(default=None, ge=0)
    """How many."""
    share: float | None = Field(default=None, ge=0, le=1)
    """Share of the parent's train rows."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.rows is None) == (self.share is None):
            raise ValueError("give rows or share, one of them")
        return self


class DataSpec(Spec):
    """From sources, or a corpus that was read before, to a dataset."""

    sources: tuple[SourceSpec, ...] = ()
    """Files and folders, in order."""
    read: ReadSpec = ReadSpec()
    """How they are read."""
    labels: str | tuple[str, ...] | None = None
    """The classes: a list, or the path of a JSON list. Numbers in the label column count into it; rows of other
    labels are dropped as `unknown_label`."""
    clean: CleanSpec = CleanSpec()
    """Normalising and personal data."""
    filter: FilterSpec = FilterSpec()
    """Noise."""
    dedupe: DedupeSpec = DedupeSpec()
    """Duplicates."""
    split: SplitSpec = SplitSpec()
    """Train, validation and test."""
    compose: ComposeSpec = ComposeSpec()
    """Messages and the answer to train."""
    replay: ReplaySpec | None = None
    """Old rows among new ones; needs a parent dataset."""
    calibration: int = Field(default=64, ge=0)
    """Train rows that are shown again in `calibration.jsonl`, for compression."""


@dataclass(frozen=True, kw_only=True)
class DataInputs:
    """What the data stage takes beside its spec."""

    corpus: Corpus | None = None
    """Rows that were read before; `spec.sources` are then not read."""
    parent: Dataset | None = None
    """The dataset of the round before. What it tested is never trained, what it trained is never tested."""
