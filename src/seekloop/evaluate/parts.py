"""The parts of a report, in its order; each is in a file of its own, and measures nothing that the spec leaves out."""

from __future__ import annotations

from seekloop.evaluate import calibrated, classes, errors, figures, leaks, probing, slices, unanswered
from seekloop.evaluate.seen import Part

__all__ = ["PARTS"]

PARTS: tuple[Part, ...] = (
    figures.part,
    classes.part,
    calibrated.part,
    slices.part,
    leaks.part,
    probing.part,
    errors.part,
    unanswered.part,
)
