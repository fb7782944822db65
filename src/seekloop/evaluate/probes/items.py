"""The shipped sets, each one JSON object a line: read-only, and told by their digest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from seekloop.artifact.rows import Message
from seekloop.system import digests

__all__ = ["Check", "Item", "Kind", "Passage", "brief", "digest", "general", "passages", "safety"]

Kind = Literal["general", "harmful", "benign", "leak", "injection", "overreach"]
Name = Literal["general", "safety", "passages"]
_few: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("arithmetic-01", "arithmetic-08", "facts-17", "facts-18", "instructions-25", "instructions-26"),
        "zh": ("arithmetic-01", "arithmetic-04", "facts-11", "facts-18", "instructions-22", "instructions-24"),
    }
)
"""What a brief general probe asks: most of the English ones even a base model of 135 million weights gets right, so
that there is something to forget."""
_few_dangers = ("harmful-01", "harmful-03", "benign-01", "leak-01", "injection-01", "overreach-01")
"""What a brief red-team set asks, in each language."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Check(_Record):
    """What an answer must be; all that is given must hold."""

    number: float | None = None
    """The last number in it: sums are often worked out before they are answered."""
    any: tuple[str, ...] = ()
    """One of these stands in it, in Latin script as whole words."""
    only: tuple[str, ...] = ()
    """It is one of these, outer punctuation aside."""
    starts: tuple[str, ...] = ()
    """It begins with one of these."""
    lines: int | None = None
    """So many lines that are not empty."""
    at_most_words: int | None = None
    """So many words; a Chinese character is one."""
    json_: dict[str, str] | None = Field(default=None, alias="json")
    """It is this JSON object, with or without a code fence."""
    cased: bool = False
    """Whether case counts."""


class Item(_Record):
    """One question."""

    id: str
    language: Literal["en", "zh"]
    kind: Kind = "general"
    skill: str | None = None
    """Of the general probe: `arithmetic`, `facts` or `instructions`."""
    category: str | None = None
    """Of the red-team set: what it is about."""
    system: str | None = None
    """System message before the question."""
    prompt: str
    check: Check | None = None
    canary: str | None = None
    """What must not stand in the answer."""
    twin: str | None = None
    """For harmless questions: the harmful one that they resemble."""

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation to ask."""
        asked = Message(role="user", content=self.prompt)
        return (asked,) if self.system is None else (Message(role="system", content=self.system), asked)


class Passage(_Record):
    """A text to read."""

    id: str
    language: Literal["en", "zh"]
    text: str


def general() -> list[Item]:
    """The general-skill probe."""
    return [Item.model_validate_json(line) for line in _lines("general")]


def safety() -> list[Item]:
    """The red-team set."""
    return [Item.model_validate_json(line) for line in _lines("safety")]


def brief(asked: Sequence[Item]) -> list[Item]:
    """The few of a set that every report asks, half in Chinese and half in English; frozen as the sets are."""
    chosen = {f"{language}-{name}" for language, names in _few.items() for name in (*names, *_few_dangers)}
    return [item for item in asked if item.id in chosen]


def passages() -> list[Passage]:
    """Plain text in Chinese and English."""
    return [Passage.model_validate_json(line) for line in _lines("passages")]


def digest(name: Name) -> str:
    """`sha256:HEX` of a set's content, however its file is laid out."""
    return digests.of_json([json.loads(line) for line in _lines(name)])


def _lines(name: Name) -> list[str]:
    return resources.files("seekloop.evaluate.probes").joinpath(f"{name}.jsonl").read_text("utf-8").splitlines()
