"""Names of people, places and organisations: one interface for whatever finds them.

`rules` needs nothing and reads Chinese and English; `jieba` tags Chinese words, `spacy` English ones; `path:FOLDER` is
any token-classification checkpoint. Each has the languages that it can read, and leaves other texts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field

from seekloop.text.pii.kinds import Finding
from seekloop.text.pii.names_checkpoint import CheckpointNames
from seekloop.text.pii.names_jieba import open_jieba
from seekloop.text.pii.names_rules import open_rules
from seekloop.text.pii.names_spacy import open_spacy

__all__ = ["FOLDER", "NameFinder", "Recognizer", "open_recognizers"]

FOLDER = "path:"
"""What stands before the folder of a checkpoint."""
NameFinder = Literal["rules", "jieba", "spacy"] | Annotated[str, Field(pattern=f"^{FOLDER}.")]


class Recognizer(Protocol):
    """Finds names in texts."""

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, in order and without overlaps; kinds `person`, `place`, `organisation`."""
        ...


_openers: dict[str, Callable[[], Recognizer]] = {
    "rules": open_rules,
    "jieba": open_jieba,
    "spacy": open_spacy,
}


def open_recognizers(names: Sequence[NameFinder], *, root: Path | None = None) -> tuple[Recognizer, ...]:
    """Recognisers by name, in order; the first that claims a place of the text has it.

    Args:
        names: which.
        root: folder that relative folders of checkpoints are taken from; None: the working directory.

    Raises:
        MissingPackage: one that is asked for is not installed.
        DataError: a folder holds no token classifier.
    """
    return tuple(_opened(name, root or Path()) for name in names)


def _opened(name: str, root: Path) -> Recognizer:
    return CheckpointNames(root / name.removeprefix(FOLDER)) if name.startswith(FOLDER) else _openers[name]()
