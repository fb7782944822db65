"""What augmentation is told: which operators, how far a variant may be from its row, and whose words it may use."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = ["ApertiumSpec", "AugmentSpec", "ChatSpec", "EpochsSpec", "HttpSpec", "OperatorName", "TranslatorSpec"]

OperatorName = Literal[
    "synonym",
    "shuffle",
    "back_translation",
    "context",
    "punctuation",
    "typos",
    "mixed",
    "long",
    "empty_field",
]
Alike = Annotated[float, Field(ge=0, le=1)]


class ApertiumSpec(Spec):
    """Apertium, run as a process where it is installed."""

    type: Literal["apertium"] = "apertium"
    source: str = "eng"
    """Code of the rows' language."""
    pivots: tuple[str, ...] = ("spa",)
    """Languages to go through, as Apertium's pairs name them."""


class HttpSpec(Spec):
    """Any translator that takes `{"q": [...], "source": ..., "target": ...}` and gives `{"translatedText": [...]}`."""

    type: Literal["http"] = "http"
    url: str
    """Where to post."""
    source: str = "en"
    """Code of the rows' language."""
    pivots: tuple[str, ...] = ("zh",)
    """Languages to go through."""


class ChatSpec(Spec):
    """A model behind an OpenAI-compatible address that is asked to translate."""

    type: Literal["chat"] = "chat"
    url: str
    """Up to and with `/v1`."""
    model: str
    """Its name there."""
    source: str = "English"
    """The rows' language, in words."""
    pivots: tuple[str, ...] = ("Chinese",)
    """Languages to go through, in words."""


TranslatorSpec = Annotated[ApertiumSpec | HttpSpec | ChatSpec, Field(discriminator="type")]


class AugmentSpec(Spec):
    """How variants of a row are made."""

    operators: tuple[OperatorName, ...] = ("synonym", "shuffle", "context", "typos")
    """Operators, in turn; the others make boundary cases: punctuation, mixed, long, empty_field."""
    per_row: int = Field(default=3, ge=1, le=50)
    """Variants of one row at most."""
    window: tuple[Alike, Alike] = (0.75, 0.98)
    """How alike variant and row must be and may be, by `text.similarity`; slips and another order have no upper end,
    additions keep so much of the row."""
    label_check: bool = True
    """Whether a classifier trained on the train rows must still give the variant the row's label."""
    rate: float = Field(default=0.15, gt=0, le=0.5)
    """`synonym`: share of words to replace."""
    typo_rate: float = Field(default=0.04, gt=0, le=0.05)
    """`typos`: share of characters to get wrong."""
    long_chars: int = Field(default=600, ge=50, le=20_000)
    """`long`: characters that a text is drawn out to."""
    synonyms: tuple[str, ...] = ()
    """Lists of synonyms beside the shipped ones: MyThes data, Cilin, or a group of words a line."""
    distractors: str | None = None
    """Irrelevant sentences for `context`, one a line; None: the shipped ones."""
    translator: TranslatorSpec | None = None
    """Who translates for `back_translation`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.window[0] > self.window[1]:
            raise ValueError("the window's lower end is above its upper end")
        if "back_translation" in self.operators and self.translator is None:
            raise ValueError("back_translation needs a translator")
        return self

    def _reads(self) -> tuple[str, ...]:
        return (*self.synonyms, *((self.distractors,) if self.distractors is not None else ()))


class EpochsSpec(Spec):
    """Train rows in other words in every epoch after the first."""

    count: int = Field(default=3, ge=2, le=50)
    """Epochs to prepare, the first of them as the rows are; a longer training begins again with the second."""
    augment: AugmentSpec = AugmentSpec()
    """How variants are made, one of a row an epoch; `per_row` and `back_translation` have no place here."""
