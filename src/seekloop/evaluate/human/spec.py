"""What a study asks of whom: dimensions with their anchors, raters, and the reports whose answers are judged."""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from seekloop.system import plain
from seekloop.system.spec import Spec

__all__ = [
    "HIGHEST",
    "Ask",
    "Dimension",
    "DimensionsSpec",
    "StudySpec",
    "Words",
    "default_dimensions",
    "read_dimensions",
]

HIGHEST = 5
"""Ratings go from 0 to this."""
Ask = Literal["rate", "prefer"]
Rater = Annotated[str, StringConstraints(pattern=r"^\w[\w.@-]{0,63}$")]


class Words(Spec):
    """The same in both languages."""

    en: str = Field(min_length=1)
    """English."""
    zh: str = Field(min_length=1)
    """Chinese."""


class Dimension(Spec):
    """One question about an answer, rated from 0 to 5."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    """In figures and columns: `relevance`."""
    title: Words
    """A word or two."""
    question: Words
    """What the rater is asked."""
    anchors: tuple[Words, ...] = Field(min_length=HIGHEST + 1, max_length=HIGHEST + 1)
    """What 0, 1, 2, 3, 4 and 5 mean."""


class DimensionsSpec(Spec):
    """A file of dimensions."""

    dimensions: tuple[Dimension, ...] = Field(min_length=1, max_length=12)
    """In the order in which they are asked."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.dimensions]
        if len(set(names)) < len(names):
            raise ValueError("two dimensions have the same name")
        return self


class StudySpec(Spec):
    """Who judges which answers, and how. The same study gives every rater the same order again."""

    name: str = Field(pattern=r"^\w[\w.-]{0,63}$")
    """Of its folder."""
    reports: tuple[str, ...] = Field(min_length=1, max_length=2)
    """Ids of the reports whose answers are judged; the first one's model is the subject."""
    raters: tuple[Rater, ...] = Field(min_length=1, max_length=200)
    """Who judges; each gets a link of their own."""
    ask: tuple[Ask, ...] = ("rate",)
    """`rate`: every answer from 0 to 5 on each dimension; `prefer`: which of two answers to a question is better."""
    dimensions: tuple[Dimension, ...]
    """What is rated."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many rows for people, chosen by a digest of their ids, so that they stand for all; None: all."""
    reference: bool = False
    """Show the right answer of the dataset beside."""
    seed: int = 0
    """Of orders and sides."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "prefer" in self.ask and len(set(self.reports)) < 2:
            raise ValueError("a preference needs two different reports")
        if not self.ask or len(set(self.ask)) < len(self.ask) or len(set(self.raters)) < len(self.raters):
            raise ValueError("something is named twice, or nothing is asked")
        return self


def read_dimensions(path: Path) -> tuple[Dimension, ...]:
    """The dimensions of a YAML file.

    Raises:
        UsageError: no such file, an unknown key or a wrong value.
    """
    return DimensionsSpec.load(path).dimensions


@functools.cache
def default_dimensions() -> tuple[Dimension, ...]:
    """Relevance, fluency, safety."""
    text = resources.files("seekloop.evaluate.human").joinpath("dimensions.yaml").read_text("utf-8")
    return DimensionsSpec.parse(plain.parse_yaml(text, where="dimensions.yaml")).dimensions
