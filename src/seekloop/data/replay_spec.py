"""Which old rows are trained again, and how many."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = ["ReplaySpec"]


class ReplaySpec(Spec):
    """Train rows of all rounds before that are trained again, against forgetting; one of `rows`, `share`, `ratio`."""

    method: Literal["by_class", "reservoir"] = "by_class"
    """`by_class`: each label has its part, rare ones too. `reservoir`: every row has the same chance."""
    weights: Literal["equal", "sqrt"] = "equal"
    """What a label's part is, by class: the same as any other's, or in proportion to the root of its rows."""
    rows: int | None = Field(default=None, ge=0)
    """How many."""
    share: float | None = Field(default=None, ge=0, le=1)
    """Share of the rows that were trained before, each counted once: what is held against forgetting grows with what
    could be forgotten."""
    ratio: float | None = Field(default=None, ge=0, lt=1)
    """Share of this round's train rows that are replayed: what is held against forgetting grows with the lesson."""
    at_most: int | None = Field(default=5_000, ge=1)
    """Rows that are replayed at most, whatever the others come to: it bounds memory and a round's cost. None: no
    bound."""
    without: tuple[str, ...] = ()
    """Never replayed: ids of rows, of answers that they came from, and pseudonyms of people. The loop fills it in."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum(one is not None for one in (self.rows, self.share, self.ratio)) != 1:
            raise ValueError("give rows, share or ratio, one of them")
        return self
