"""What the data stage is told: where rows come from, and how they become a dataset."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.data.augment.spec import EpochsSpec
from seekloop.data.balance.spec import BalanceSpec
from seekloop.data.composing import MixSpec
from seekloop.data.judge_spec import BertClassifier, Classifier, EmbeddingClassifier, NgramClassifier, PlantedClassifier
from seekloop.data.labels.spec import LabelsSpec
from seekloop.data.pii import PiiSpec
from seekloop.data.replay_spec import ReplaySpec
from seekloop.data.sources import ColumnsSpec, Format, SourceSpec, Split
from seekloop.system.spec import Spec
from seekloop.text.labelled import AnswerForm
from seekloop.text.language import By
from seekloop.text.levels import NormaliseSpec

__all__ = [
    "RULES",
    "BalanceSpec",
    "BertClassifier",
    "Classifier",
    "CleanSpec",
    "ColumnsSpec",
    "ComposeSpec",
    "DataInputs",
    "DataSpec",
    "DedupeSpec",
    "EmbeddingClassifier",
    "EpochsSpec",
    "FilterSpec",
    "Format",
    "LabelsSpec",
    "MeaningSpec",
    "MixSpec",
    "NgramClassifier",
    "NormaliseSpec",
    "PiiSpec",
    "PlantedClassifier",
    "ReadSpec",
    "ReplaySpec",
    "SourceSpec",
    "Split",
    "SplitSpec",
]

Rule = Literal[
    "empty",
    "no_letters",
    "too_short",
    "too_long",
    "repeated",
    "keyboard_mash",
    "boilerplate",
    "other_language",
    "mojibake",
    "repeated_reply",
    "echoed_reply",
    "reply_too_short",
    "reply_too_long",
    "placeholder",
    "irrelevant_reply",
]
_chosen = ("placeholder", "irrelevant_reply")
RULES: tuple[Rule, ...] = tuple(rule for rule in get_args(Rule) if rule not in _chosen)
"""Rules that apply unless the spec says otherwise; `placeholder` and `irrelevant_reply` are chosen."""
Share = Annotated[float, Field(ge=0, lt=1)]
Similarity = Annotated[float, Field(ge=0.3, le=1)]


class ReadSpec(Spec):
    """How sources are read."""

    bad_rows: Literal["refuse", "drop"] = "refuse"
    """What to do with a broken line: stop and name it, or keep it among the dropped rows."""


class CleanSpec(Spec):
    """What is done to every text."""

    normalise: NormaliseSpec = NormaliseSpec()
    """One written form for every text: `true`, `false`, or level by level."""
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
    """`other_language`: languages to keep, such as `zh` and `en`; empty: all."""
    language_by: By = "script"
    """Told by `script` alone (`en` is any text in Latin letters), or by a `model` that tells German from English."""
    language_least: float = Field(default=0.7, ge=0, le=1)
    """A language that the model is less sure of than this is none: the row stays."""
    min_reply_chars: int = Field(default=1, ge=0)
    """`reply_too_short`: an answer with fewer letters and digits than this."""
    max_reply_chars: int = Field(default=16_000, ge=1)
    """`reply_too_long`: an answer with more characters than this."""
    irrelevant_share: Share = 0.1
    """`irrelevant_reply`: at most this share of the replies; as many fewer as the corpus is sure of."""
    classifier: Classifier | None = None
    """A classifier that learns from marked rows, or from noise that is planted; off unless asked for."""

    @field_validator("classifier", mode="before")
    @classmethod
    def _default_kind(cls, value: Any) -> Any:
        return {"type": "ngram", **value} if isinstance(value, dict) else value


class MeaningSpec(Spec):
    """The same in other words, told by an encoder: a pass of it for each row, and a cosine for each pair of a class."""

    path: str
    """Folder of a transformers encoder with its tokenizer, trained for sentences in the data's language."""
    similarity: float = Field(default=0.95, ge=0.5, le=1)
    """Least cosine of two rows that say the same."""
    max_tokens: int = Field(default=128, ge=8)
    """Tokens of a row that are read."""

    def _reads(self) -> tuple[str, ...]:
        return (self.path,)


class DedupeSpec(Spec):
    """Duplicates; the first row of each is kept."""

    exact: bool = True
    """Drop rows that differ at most in case, width, punctuation, spacing, and traditional or simplified script."""
    near: bool = True
    """Drop rows that are at least `similarity` alike."""
    similarity: Similarity = 0.9
    """Least similarity of a near duplicate: 1 less the share of characters to edit, in whatever order clauses stand."""
    compare: Literal["prompt", "row"] | None = None
    """What is compared: the user's turns, or answers too; None: `prompt` for rows with a label, `row` for others."""
    meaning: MeaningSpec | None = None
    """Drop rows that say the same in other words, too, as `duplicate_meaning`."""
    held_out: Similarity | None = None
    """How near a row may not be to one that an earlier round, or a source, holds out; None: `similarity`. Lower keeps
    paraphrases away, too."""
    trained: Literal["again", "drop"] = "again"
    """A row that a round before trained already, near and with the same answer: `again`, or `drop` as
    `trained_before`."""
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

    def shares(self, fixed: Container[str]) -> dict[str, float]:
        """What is drawn for each held-out split; none for one that sources fix."""
        return {
            "test": 0.0 if "test" in fixed else self.test,
            "validation": 0.0 if "validation" in fixed else self.validation,
        }

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


class DataSpec(Spec):
    """From sources, or a corpus that was read before, to a dataset."""

    sources: tuple[SourceSpec, ...] = ()
    """Files, databases and endpoints, in order."""
    read: ReadSpec = ReadSpec()
    """How they are read."""
    labels: LabelsSpec | str | tuple[str, ...] | None = None
    """The classes: a list, or the path of a JSON list. Numbers in the label column count into it; rows of other
    labels are dropped as `unknown_label`. Or levels, several labels a row and decisions: `{taxonomy: FILE}`."""
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
    balance: BalanceSpec | None = None
    """Least and most train rows a label, and how missing ones are made; None: labels stay as they came."""
    epochs: EpochsSpec | None = None
    """Train rows in other words in every later epoch of training; None: the same words in all."""
    mix: MixSpec | None = None
    """Shares of train rows by language, source or label, by temperature; None: as they came."""
    folds: int | None = Field(default=None, ge=2, le=100)
    """Folds of train and validation rows for cross-validation, written to `folds.json`; None: none."""
    calibration: int = Field(default=64, ge=0)
    """Train rows that are shown again in `calibration.jsonl`, for compression."""

    def _reads(self) -> tuple[str, ...]:
        return (self.labels,) if isinstance(self.labels, str) else ()


@dataclass(frozen=True, kw_only=True)
class DataInputs:
    """What the data stage takes beside its spec."""

    corpus: Corpus | None = None
    """Rows that were read before; `spec.sources` are then not read."""
    parent: Dataset | None = None
    """The dataset of the round before. What it tested is never trained, what it trained is never tested."""
    ancestors: tuple[Dataset, ...] = ()
    """The rounds before the parent, the newest first, where they are others than its manifest says: without the rows of
    somebody who was erased since. Empty: as the manifest says."""
