"""What to serve and how answers are decoded; which window of production becomes traffic."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from seekloop.artifact.kinds import Checkpoint, Report
from seekloop.system.spec import Spec

__all__ = ["ServeInputs", "ServeSpec", "TrafficSpec"]


class ServeSpec(Spec):
    """Decoding and system message of a release."""

    max_tokens: int = Field(default=256, ge=1, le=65_536)
    """Longest answer, in tokens, where a request sets none."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature where a request sets none; 0 is greedy."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Nucleus share where a request sets none."""
    system: str | None = None
    """System message put before conversations that have none; None: the one that the model was trained with."""


class TrafficSpec(Spec):
    """A window of production."""

    after: str | None = None
    """Only what came after this moment (ISO 8601, UTC); None: from the first answer."""
    release: str | None = None
    """Only answers of this release, with their feedback; None: of every release."""


@dataclass(frozen=True, kw_only=True)
class ServeInputs:
    """A checkpoint, and the report that measured this very checkpoint."""

    checkpoint: Checkpoint
    report: Report
