"""What is measured of each form, and what the table is asked for."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field

from seekloop.evaluate.spec import EvaluateSpec
from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec

__all__ = ["FormsSpec", "Goal"]


class FormsSpec(Spec):
    """How the forms are measured; each in a process of its own, one after the other."""

    evaluate: EvaluateSpec = EvaluateSpec(max_tokens=64)
    """Asked of every form that has no such report yet."""
    streams: tuple[int, ...] = Field(default=(1, 8, 32), min_length=1, max_length=6)
    """Answers generated side by side, one speed each."""
    tokens: int = Field(default=16, ge=2, le=1024)
    """Length of each timed answer: stop ids are ignored, so that all say the same number of tokens."""
    likelihood_rows: int = Field(default=24, ge=0, le=10_000)
    """Rows whose right answers' perplexity is taken; 0: not measured."""
    context: int = Field(default=1024, ge=64)
    """Room for prompt and answer in these measurements; longer prompts are left out."""


class Goal(Spec):
    """What the form is for."""

    goal: Literal["smallest", "fastest", "accuracy"] = "smallest"
    """What is best, among those that keep the bounds."""
    max_drop: float | None = Field(default=None, ge=0, le=100)
    """Points (hundredths) of the quality figure that may be lost against the parent."""
    max_mib: float | None = Field(default=None, gt=0)
    """Peak memory while it answers, in MiB."""

    @classmethod
    def told(cls, goal: str, *, max_drop: str | None, max_mib: float | None) -> Self:
        """From the words of a command line: `1pt`, `1.5`, `2%`.

        Raises:
            UsageError: no such goal, or a drop that is no number of points.
        """
        drop = None
        if max_drop is not None:
            match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:pt|pts|points?|%)?\s*", max_drop)
            if match is None:
                raise UsageError("loop.bad_points", text=max_drop)
            drop = float(match[1])
        return cls.parse({"goal": goal, "max_drop": drop, "max_mib": max_mib})
