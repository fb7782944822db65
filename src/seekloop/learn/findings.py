"""One judged answer, and what becomes of it on its way to the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seekloop.learn.judging import Judgement
from seekloop.learn.traffic import Heard
from seekloop.text import normalize

__all__ = ["CAPPED", "QUARANTINED", "SET_ASIDE", "Finding"]

QUARANTINED = ("outlying_user", "implausible")
"""Set aside because what others say speaks against it."""
CAPPED = ("user_cap", "label_cap", "caller_cap")
"""Beyond what one voice may teach."""
SET_ASIDE = (*QUARANTINED, *CAPPED, "outvoted", "label_conflict")
"""Not trained, though it says what would be right: for a review."""
_uncounted = (*QUARANTINED, *CAPPED, "outvoted", "overruled", "discarded")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One judged answer, and what becomes of it."""

    heard: Heard
    judgement: Judgement
    dropped: str | None = None
    """Why a correction is not trained; None: it is, or there is nothing to train."""
    twin: str | None = None
    """For duplicates: the id of the feedback that is kept."""
    consent: str = ""
    """Why it may be learnt from: `request`, `feedback ID`, `event NUMBER`, `caller` or `assumed`."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """The counts behind `dropped`."""
    agreed: int = 1
    """Independent speakers who teach this."""

    @property
    def counted_as(self) -> str:
        """Its name in the lesson's counts."""
        return self.dropped or self.judgement.reason

    @property
    def is_kept(self) -> bool:
        """Whether it gives a row to train on."""
        return self.counted_as == "corrected"

    @property
    def is_error(self) -> bool:
        """Whether it counts as a wrong answer; what is not believed counts for nothing."""
        return self.judgement.is_error and self.dropped not in _uncounted

    @property
    def finds_fault(self) -> bool:
        """Whether it says that something was wrong."""
        return self.judgement.reason not in ("confirmed", "no_opinion")

    @property
    def teaches(self) -> bool:
        """Whether there is anything to put into a row."""
        return self.judgement.reason in ("corrected", "missing_answer", "missing_label", "contradictory")

    @property
    def asked(self) -> str:
        """The conversation, as duplicates are compared."""
        return normalize.key("\n".join(f"{turn.role} {turn.content}" for turn in self.heard.turns))

    @property
    def question(self) -> str:
        """The last thing that a user said."""
        said = [turn.content for turn in self.heard.turns if turn.role == "user"]
        return said[-1] if said else ""

    @property
    def taught(self) -> tuple[str, str | None, str]:
        """What it teaches: equal corrections are duplicates."""
        return self.asked, self.judgement.label, normalize.key(self.judgement.text)
