"""Names of people, places and organisations: one interface for whatever finds them.

`rules` needs nothing and finds names that a phrase gives away; `jieba` tags Chinese words; `spacy` tags English ones.
Each has the languages that it can read, and leaves other texts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from seekloop.text.pii.kinds import Finding
from seekloop.text.pii.names_jieba import open_jieba
from seekloop.text.pii.names_rules import open_rules
from seekloop.text.pii.names_spacy import open_spacy

__all__ = ["NameFinder", "Recognizer", "open_recognizers"]

NameFinder = Literal["rules", "jieba", "spacy"]


class Recognizer(Protocol):
    """Finds names in texts."""

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, in order and without overlaps; kinds `person`, `place`, `organisation`."""
        ...


_openers: dict[NameFinder, Callable[[], Recognizer]] = {
    "rules": open_rules,
    "jieba": open_jieba,
    "spacy": open_spacy,
}


def open_recognizers(names: Sequence[NameFinder]) -> tuple[Recognizer, ...]:
    """Recognisers by name, in order; the first that claims a place of the text has it.

    Raises:
        MissingPackage: one that is asked for is not installed.
    """
    return tuple(_openers[name]() for name in names)
