"""Answers that hold a label: alone, or on the first line with free text under it; several labels joined into one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

__all__ = ["SEPARATOR", "AnswerForm", "join_labels", "split", "split_labels"]

AnswerForm = Literal["text", "label", "label_then_text"]
"""What a dataset's answers hold (`Dataset.answer`)."""

SEPARATOR = "; "
"""Between the labels of a row that has several, in `Row.label` and so in the answer that is trained."""


def split(answer: str, form: AnswerForm) -> tuple[str | None, str]:
    """The label of an answer (None: it has none) and its free text, both without outer blanks."""
    whole = answer.strip()
    if form == "text":
        return None, whole
    label, _, rest = whole.partition("\n") if form == "label_then_text" else (whole, "", "")
    return label.strip() or None, rest.strip()


def join_labels(labels: Iterable[str]) -> str | None:
    """Several labels as one, `a; b`; None where there are none."""
    return SEPARATOR.join(labels) or None


def split_labels(label: str) -> tuple[str, ...]:
    """The labels that `label` joins, without blanks around them; a full-width or unspaced semicolon parts them too."""
    parts = (part.strip() for part in label.replace("；", ";").split(";"))
    return tuple(dict.fromkeys(part for part in parts if part))
