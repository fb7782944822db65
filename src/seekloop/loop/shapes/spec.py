"""What a search of shapes is told: the space, the budget, how candidates are measured, and what is wanted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["CutSpec", "GoalSpec", "MeasureSpec", "ShapeSpace", "ShapesSpec"]

Share = float


class ShapeSpace(Spec):
    """The choices of each dial; the first of each is where the search begins. Shares are of the parent's own number."""

    layers: tuple[Share, ...] = Field(default=(1.0, 0.9, 0.8, 0.65), min_length=1)
    """Decoder layers that are kept."""
    mlp: tuple[Share, ...] = Field(default=(1.0, 0.9, 0.75), min_length=1)
    """Channels of each MLP, in whole blocks of 32."""
    groups: tuple[Share, ...] = Field(default=(1.0, 0.67), min_length=1)
    """Groups of attention heads that share keys and values."""
    precisions: tuple[Literal["f16", "q8_0", "q4_1", "q4_0"], ...] = Field(default=("q8_0", "q4_0"), min_length=1)
    """Of the GGUF file."""
    ranks: tuple[int, ...] = Field(default=(0, 8), min_length=1)
    """Of the adapter that a candidate is tuned with after the cut, and folded into it; 0: it is left as it was cut."""


class MeasureSpec(Spec):
    """How a candidate is measured."""

    rows: int = Field(default=32, ge=1)
    """Validation rows that are answered greedily on the engine."""
    tokens: int = Field(default=16, ge=1)
    """Tokens of the answers that are timed, whatever they say."""
    timed: int = Field(default=5, ge=1)
    """Answers that are timed, one at a time; the latency is their median."""


class GoalSpec(Spec):
    """Which point of the front is wanted: the most accurate within these limits."""

    latency_ms: float | None = Field(default=None, gt=0)
    """Of an answer of `measure.tokens` tokens."""
    size_mb: float | None = Field(default=None, gt=0)
    """Of the file."""


class ShapesSpec(Spec):
    """One search."""

    space: ShapeSpace = ShapeSpace()
    """What is searched."""
    recovery_steps: int = Field(default=30, ge=1)
    """Optimizer steps after a cut, where the rank is not 0."""
    measure: MeasureSpec = MeasureSpec()
    """How."""
    goal: GoalSpec = GoalSpec()
    """What for."""
    trials: int = Field(default=16, ge=1)
    """At most so many."""
    minutes: float = Field(default=30.0, gt=0)
    """No trial begins after so much work; what was done before a crash counts."""
    population: int = Field(default=6, ge=2)
    """Candidates of a generation of NSGA-II."""


class CutSpec(Spec):
    """A smaller shape, in numbers."""

    layers: int = Field(ge=1)
    mlp: int = Field(ge=32)
    groups: int = Field(ge=1)
    rows: int = Field(default=8, ge=1)
    """Train rows on which the influence of layers is looked at."""
