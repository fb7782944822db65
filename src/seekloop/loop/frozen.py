"""The rows that no round may train on and every round is measured on.

The first round's test split is the first frozen set; each lesson that was released since adds its own, and rules know
all of those together as `lessons`. Where somebody's
rows were erased, it is the set without them.
"""

from __future__ import annotations

from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.loop.line import line_of
from seekloop.loop.registry import Released

__all__ = ["FIRST", "FrozenSet", "frozen_sets"]

FIRST = "frozen"


@dataclass(frozen=True, kw_only=True)
class FrozenSet:
    """Held-out rows of one round."""

    name: str
    """`frozen` of the first round, `frozen.1` of the first lesson that was released, and so on."""
    dataset: Dataset
    """Its test split is meant."""

    @property
    def rows(self) -> int:
        """How many."""
        return self.dataset.splits["test"]


def frozen_sets(parent: Released, ctx: RunContext) -> list[FrozenSet]:
    """What a candidate that continues `parent` is held to: the first round's test split, then each lesson's since.

    A lesson without test rows of its own has no set; the numbers of the others do not change for that.

    Raises:
        ArtifactError: a dataset of the line is no longer in the store.
    """
    lessons = [one for one in reversed(list(line_of(parent.trained_on, ctx=ctx))) if one.id != parent.frozen.id]
    later = [FrozenSet(name=f"{FIRST}.{number}", dataset=one) for number, one in enumerate(lessons, start=1)]
    return [FrozenSet(name=FIRST, dataset=parent.frozen), *(one for one in later if one.rows)]
