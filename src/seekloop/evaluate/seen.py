"""What a part of a report may look at, and what a part is.

A part is a function that looks at the scored answers (and at whatever else a `Seen` shows), writes the files that it
owns into the report's folder, and returns the figures that belong in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seekloop.artifact.context import Job, RunContext
from seekloop.artifact.kinds import Figure
from seekloop.evaluate.probes.asking import Probed
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.model.codec import Codec

__all__ = ["Part", "Seen"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a part may look at."""

    spec: EvaluateSpec
    inputs: EvaluateInputs
    questions: Sequence[Question]
    """In the order of the answers."""
    answers: Sequence[Scored]
    codec: Codec
    job: Job
    """Where a part writes its files: `seen.job.path("slices.json")`."""
    ctx: RunContext
    probed: Sequence[Probed] = ()
    """What was asked beside the rows."""
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Row id -> label -> its probability, where answers were constrained to labels; empty elsewhere."""
    unanswered: Sequence[tuple[Question, str]] = ()
    """Rows that an endpoint gave no answer to, with why: they are no part of `questions`, and no wrong answers."""


Part = Callable[[Seen], tuple[Figure, ...]]
"""Looks, writes its files, and returns its figures."""
