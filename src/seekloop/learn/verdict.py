"""Wait, retrain or roll back: a pure function of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seekloop.learn.spec import LearnSpec
from seekloop.metrics import significance

__all__ = ["POISONED", "Counts", "decide"]

POISONED = "held: poisoned"
"""How the reason of a lesson begins that waits because too much of what was said is not to be trusted."""

Decision = Literal["wait", "retrain", "roll_back"]
_least_poison = 5
"""Fewer than this are no pattern."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What the verdict depends on."""

    answers: int
    """Answers of the checkpoint that the report measured."""
    errors: int
    """Those of them that somebody showed to be wrong, and that going back could mend: a label that the dataset does
    not know would be wrong in the release before, too."""
    corrections: int
    """Corrected rows to train on."""
    promised: float | None
    """Share of right answers in the report; None where nobody asked whether to go back."""
    claims: int = 0
    """Corrections that could be trained if they are believed."""
    poisoned: int = 0
    """Those of them that everybody else speaks against."""


def decide(counts: Counts, spec: LearnSpec) -> tuple[Decision, str]:
    """The verdict, and one English sentence with the counts that led to it.

    Going back is advised where even the lower end of the error share's 95 % interval (Wilson) is above what the report
    promised plus the margin. Answers that nobody spoke of count as right, so people's habit of writing only when
    something is wrong never triggers it.

    A window of whose corrections too many are set aside as poison is held before anything else: neither a model nor a
    step back should follow from what cannot be believed.
    """
    if counts.poisoned >= _least_poison and counts.poisoned > spec.trust.max_poison * counts.claims:
        share = counts.poisoned / counts.claims
        return "wait", (
            f"{POISONED}: {counts.poisoned} of {counts.claims} corrections ({share:.1%}) are set aside because "
            f"everybody else speaks against them, and {spec.trust.max_poison:.1%} are borne; look at them in the review"
        )
    if counts.promised is not None and counts.answers:
        low = significance.wilson(counts.errors, counts.answers).low
        borne = 1 - counts.promised + spec.roll_back_margin
        if low > borne:
            return "roll_back", (
                f"roll back: {counts.errors} of {counts.answers} answers were wrong, which is at least {low:.1%} "
                f"(95 % interval), and the report allows {borne:.1%} (1 - {spec.figure} {counts.promised:.3f} + margin)"
            )
    if counts.corrections < spec.min_corrections:
        return "wait", (
            f"wait: {counts.corrections} corrected rows from {counts.answers} answers, "
            f"and a retraining needs {spec.min_corrections}"
        )
    return "retrain", (
        f"retrain: {counts.corrections} corrected rows from {counts.answers} answers, "
        f"and at least {spec.min_corrections} are needed"
    )
