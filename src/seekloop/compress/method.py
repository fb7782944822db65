"""What every method of compression is given and gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset, Form

__all__ = ["Made", "Making", "Work"]


@dataclass(frozen=True, kw_only=True)
class Work:
    """One checkpoint to compress."""

    parent: Checkpoint
    """In the full or adapter form."""
    dataset: Dataset | None
    """For methods that look at data; they refuse to work without."""
    folder: Path
    """Of the draft: the method writes the new form's files here, all but the codec's."""
    ctx: RunContext


@dataclass(frozen=True, kw_only=True)
class Made:
    """What the files in the draft hold."""

    form: Form
    precision: str
    parameters: int
    """Weights in the files."""
    read_dataset: bool = False
    """Whether the dataset had a part in it: it is then a parent."""
    trained_tokens: int = 0
    """Labelled tokens that the method itself trained on."""
    parents: Mapping[str, str] = field(default_factory=dict)
    """Role -> id of further artifacts that had a part in it: a teacher."""


Making = Callable[[Work], Made]
"""Writes the new form and proves that it is the same model, or raises and leaves the draft to be thrown away."""
