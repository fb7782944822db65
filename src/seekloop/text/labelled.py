"""Answers that hold a label: alone, or on the first line with free text under it."""

from __future__ import annotations

from typing import Literal

__all__ = ["AnswerForm", "split"]

AnswerForm = Literal["text", "label", "label_then_text"]
"""What a dataset's answers hold (`Dataset.answer`)."""


def split(answer: str, form: AnswerForm) -> tuple[str | None, str]:
    """The label of an answer (None: it has none) and its free text, both without outer blanks."""
    whole = answer.strip()
    if form == "text":
        return None, whole
    label, _, rest = whole.partition("\n") if form == "label_then_text" else (whole, "", "")
    return label.strip() or None, rest.strip()
