"""What to measure a checkpoint on, and how its answers are generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from seekloop.artifact.kinds import Checkpoint, Dataset, Report
from seekloop.system.spec import Spec

__all__ = ["EvaluateInputs", "EvaluateSpec"]


class EvaluateSpec(Spec):
    """Which rows are asked, and how answers are generated. Intervals are always two-sided 95 %."""

    split: Literal["test", "validation", "train"] = "test"
    """Split whose rows are asked."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many rows, chosen by a digest of their ids: the same ones whatever the seed; None: all."""
    engine: Literal["auto", "torch", "llamacpp", "echo"] = "auto"
    """Backend that generates; auto takes the one that fits the checkpoint's form."""
    max_tokens: int = Field(default=128, ge=1, le=65_536)
    """Longest answer in tokens; a longer one is cut, and counts as one that did not end by itself."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature; 0 is greedy, and the only one that gives the same report again."""
    streams: int = Field(default=8, ge=1, le=512)
    """Answers generated side by side."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the backend; None: as the settings say."""
    context: int = Field(default=2048, ge=64)
    """Room for prompt and answer, in tokens; a prompt that leaves too little of it is refused, never cut."""
    resamples: int = Field(default=2000, ge=100, le=100_000)
    """Bootstrap resamples of an interval."""


@dataclass(frozen=True, kw_only=True)
class EvaluateInputs:
    """A checkpoint, the dataset that holds its test rows, and a report to compare with on the same rows."""

    checkpoint: Checkpoint
    dataset: Dataset
    baseline: Report | None = None
