"""What a piece of feedback says about its answer: right, wrong, or wrong with what would have been right.

A label that differs from the answer's corrects the label; a correction is the right answer in full, in the dataset's
form. Where answers hold a label and text, a correction that does not begin with a label, beside feedback that gives the
label, is taken as the text alone: that is how people write it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from seekloop.artifact.ledger import Feedback
from seekloop.text import labelled
from seekloop.text.labelled import AnswerForm

__all__ = ["Judgement", "Reason", "judge"]

Reason = Literal[
    "corrected", "confirmed", "no_opinion", "no_correction", "missing_answer", "missing_label", "contradictory"
]
"""corrected: the right answer is known. confirmed: it was right. no_opinion: only a comment. The others find fault, but
cannot be trained: there is no correction, the text or the label that the form needs is missing, or the label and the
correction disagree."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What feedback says."""

    reason: Reason
    is_error: bool = False
    """Whether the answer was wrong in what the report promises: in its label, or as a whole where it has none."""
    label: str | None = None
    """The right label, where it was corrected."""
    text: str = ""
    """The right free text, where it was corrected."""


def judge(
    content: str, feedback: Feedback, *, form: AnswerForm, labels: Collection[str], bad_score: float
) -> Judgement:
    """What `feedback` says about an answer.

    Args:
        content: the answer as it was served.
        feedback: on this answer.
        form: what the dataset's answers hold.
        labels: the labels that the dataset knows.
        bad_score: a score below this finds fault.
    """
    finds_fault = feedback.score is not None and feedback.score < bad_score
    label = (feedback.label or "").strip() or None if form != "text" else None
    correction = (feedback.correction or "").strip()
    if label is None and not correction:
        if feedback.score is None:
            return Judgement(reason="no_opinion")
        return Judgement(reason="no_correction" if finds_fault else "confirmed", is_error=finds_fault)
    first, text = labelled.split(correction, form)
    if label is not None and correction and first != label:
        if first in labels or form == "label":
            return Judgement(reason="contradictory", is_error=True)
        first, text = label, correction
    elif form == "label_then_text" and label is None and first not in labels:
        return Judgement(reason="missing_label", is_error=True)
    right = label or first
    before, before_text = labelled.split(content, form)
    if right == before and text in ("", before_text):
        return Judgement(reason="no_correction" if finds_fault else "confirmed")
    is_error = right != before or form == "text"
    if form != "label" and not text:
        return Judgement(reason="missing_answer", is_error=is_error)
    return Judgement(reason="corrected", is_error=is_error, label=right, text=text)
