"""What the noise classifier is told: its kind, what it learns from, and from which probability a row is dropped."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = ["BertClassifier", "Classifier", "EmbeddingClassifier", "NgramClassifier", "PlantedClassifier"]


class _Learnt(Spec):
    """What every kind of classifier has."""

    threshold: float = Field(default=0.7, gt=0, lt=1)
    """A row at least this likely to be noise is dropped as `noise_classifier`."""
    look: Literal["prompt", "row"] = "prompt"
    """What is judged: the user's turns, or the answer with them."""
    noise: tuple[str, ...] = ()
    """Files of rows that are noise, beside the rows that a column marks."""
    clean: tuple[str, ...] = ()
    """Files of rows that are not."""
    weak: bool = False
    """Rows that the rules drop teach what noise is; for data that nobody has marked."""
    reuse: bool = True
    """Judge with the head of the parent dataset, where it has one, so that all rounds are judged alike."""
    rows: int = Field(default=20_000, ge=100)
    """At most so many rows of each side are learnt from."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Share of noise to expect among the rows; None: as among those that it learns from."""

    def _reads(self) -> tuple[str, ...]:
        return (*self.noise, *self.clean)


class NgramClassifier(_Learnt):
    """Character n-grams and a logistic head: any language, no model to load."""

    type: Literal["ngram"] = "ngram"


class EmbeddingClassifier(_Learnt):
    """Mean-pooled states of an encoder and a logistic head."""

    type: Literal["embedding"] = "embedding"
    path: str
    """Folder of a transformers encoder, with its tokenizer."""
    max_tokens: int = Field(default=256, ge=8)
    """Tokens of a row that are read."""

    def _reads(self) -> tuple[str, ...]:
        return (*super()._reads(), self.path)


class BertClassifier(_Learnt):
    """Any sequence classifier; with marked rows it is calibrated on them, without it is taken at its word."""

    type: Literal["bert"] = "bert"
    path: str
    """Folder of a transformers sequence-classification checkpoint, with its tokenizer."""
    label: int = Field(default=1, ge=0)
    """Which of its labels is noise."""
    max_tokens: int = Field(default=256, ge=8)
    """Tokens of a row that are read."""

    def _reads(self) -> tuple[str, ...]:
        return (*super()._reads(), self.path)


class PlantedClassifier(_Learnt):
    """For data that nobody has marked: rows of the corpus spoilt on purpose, and lines that belong to no corpus, teach
    what noise is. Judged is how unlike the rest of the corpus a row is."""

    type: Literal["planted"] = "planted"
    share: float | None = Field(default=0.05, gt=0, lt=1)
    """Share of noise to expect among the rows; None: as among those that it learns from, a third."""

    @model_validator(mode="after")
    def _reads_prompts(self) -> Self:
        if self.look != "prompt":
            raise ValueError("the planted classifier judges what the user wrote: look: prompt")
        return self


Classifier = Annotated[
    NgramClassifier | PlantedClassifier | EmbeddingClassifier | BertClassifier, Field(discriminator="type")
]
"""The kinds, told apart by `type`."""
