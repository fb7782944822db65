"""When production asks for retraining, when for going back, and how much one caller may teach."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from seekloop.artifact.kinds import Report, Traffic
from seekloop.system.spec import Spec

__all__ = ["LearnInputs", "LearnSpec"]


class LearnSpec(Spec):
    """How traffic becomes a verdict and corrected rows."""

    min_corrections: int = Field(default=10, ge=1)
    """Corrected rows that a retraining needs; with fewer the verdict is wait."""
    max_per_caller: int = Field(default=50, ge=1)
    """At most so many pieces of feedback that find fault are taken from one caller, the earliest first: one caller
    cannot poison the model alone."""
    bad_score: float = Field(default=0.5, ge=0, le=1)
    """A score below this says that the answer was wrong, where neither label nor correction says more."""
    roll_back: bool = False
    """Whether going back to the release before may be advised; only where there is one."""
    figure: str = "accuracy"
    """The report's figure that promises how many answers are right."""
    roll_back_margin: float = Field(default=0.05, ge=0, le=1)
    """Errors beyond what the report promised, as a share of answers, that are still borne."""


@dataclass(frozen=True, kw_only=True)
class LearnInputs:
    """A window of production, and the report of the checkpoint that answered in it."""

    traffic: Traffic
    report: Report
