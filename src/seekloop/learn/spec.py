"""When production asks for retraining, when for going back, and how much one caller may teach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from seekloop.artifact.kinds import Report, Traffic
from seekloop.learn.mining.spec import MiningSpec
from seekloop.learn.trust_spec import TrustSpec
from seekloop.system.spec import Spec

__all__ = ["LearnInputs", "LearnSpec"]


class LearnSpec(Spec):
    """How traffic becomes a verdict and corrected rows."""

    min_corrections: int = Field(default=10, ge=1)
    """Corrected rows that a retraining needs; with fewer the verdict is wait."""
    max_per_caller: int = Field(default=50, ge=1)
    """At most so many pieces of feedback that find fault are taken from one caller, the earliest first: one caller
    cannot poison the model alone."""
    max_confirmed: int = Field(default=0, ge=0)
    """At most so many answers that staff confirmed (`trust.staff`) are learnt beside the corrections; 0: none. First
    those of the label with the fewest rows, of these the newest wordings; some are tested, which a candidate keeps."""
    bad_score: float = Field(default=0.5, ge=0, le=1)
    """A score below this says that the answer was wrong, where neither label nor correction says more."""
    roll_back: bool = False
    """Whether going back to the release before may be advised; only where there is one."""
    figure: str = "accuracy"
    """The report's figure that promises how many answers are right."""
    roll_back_margin: float = Field(default=0.05, ge=0, le=1)
    """Errors beyond what the report promised, as a share of answers, that are still borne."""
    mining: MiningSpec = MiningSpec()
    """How a window is mined; the verdict and the corrected rows do not depend on it."""
    trust: TrustSpec = TrustSpec()
    """Caps of users and the tests against poisoning."""
    consent: Literal["required", "assumed"] = "assumed"
    """Whether a row may be trained where nobody said anything of it. assumed: whoever runs the project has the right to
    learn from it by contract or law, and a no counts from anybody; required: only what somebody allowed."""
    consent_of: dict[str, bool] = Field(default_factory=dict)
    """Caller -> whether it may be learnt from its answers where nothing was said of one; goes before `consent`."""
    retry_s: float = Field(default=120.0, ge=0)
    """Nearly the same question of the same asker within so many seconds says that the answer before did not help; 0:
    never."""
    retry_alike: float = Field(default=0.8, ge=0.3, le=1)
    """Least similarity of the two questions."""


@dataclass(frozen=True, kw_only=True)
class LearnInputs:
    """A window of production, and the report of the checkpoint that answered in it."""

    traffic: Traffic
    report: Report
