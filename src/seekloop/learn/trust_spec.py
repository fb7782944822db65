"""How far feedback is believed: caps, the tests against poisoning, and when a window is held."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["TrustSpec"]


class TrustSpec(Spec):
    """What one person may teach, and what is set aside for a review."""

    staff: tuple[str, ...] = ("local",)
    """Callers whose own word is taken without these tests, such as keys of reviewers; what their users say is tested.
    `local` is the project's own key, whose holder could write the ledger anyway."""
    max_per_user: int = Field(default=10, ge=1)
    """Pieces of feedback that find fault, taken from one end user of a caller in a window, the earliest first."""
    max_per_label: int = Field(default=5, ge=1)
    """Corrections of one end user that may take rows to one label, or away from one; for a caller that names no users,
    half of `max_per_caller` if that is more."""
    false_alarm: float = Field(default=0.01, gt=0, le=0.2)
    """Chance that a window without poison sets any user aside (family-wise, Bonferroni), and share of rows known to be
    right that would be set aside as implausible."""
    least_disagreement: float = Field(default=0.5, ge=0, le=1)
    """A user is set aside only where at least this share of what they say disagrees, however sure the test is."""
    max_poison: float = Field(default=0.10, ge=0, le=1)
    """The lesson waits where more than this share of a window's corrections is set aside as outlying or implausible."""
    content: bool = True
    """Whether corrections are compared with what known rows say of such texts; needs answers that hold labels."""
