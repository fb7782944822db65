"""The check that every written row passes: a classifier of the data's own labelled rows must not be sure of another."""

from __future__ import annotations

from collections.abc import Callable

from seekloop.artifact.rows import Row
from seekloop.data.intents import LabelHead
from seekloop.data.wording import asked

__all__ = ["OTHER_LABEL", "Check", "label_check"]

OTHER_LABEL = "label_differs"
"""Reason of rows that read as another label than the one they were written for."""
Check = Callable[[Row], str | None]
"""Looks at a row that was made: the reason to leave it out, such as a label that a classifier does not agree with."""


def label_check(head: LabelHead) -> Check:
    """The check of one head: counts that saw the row's seed do not judge."""

    def differs(row: Row) -> str | None:
        made_of = row.meta["synthetic"]["seeds"][0]
        wrong = row.label is not None and head.refuses(asked(row), row.label, made_of=made_of)
        return OTHER_LABEL if wrong else None

    return differs
