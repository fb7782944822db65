"""What balancing is told: how many train rows a label needs and may have, and which ways may fill it up."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.data.augment.spec import AugmentSpec
from seekloop.data.balance.teacher_spec import BalanceTeacherSpec
from seekloop.system.spec import Spec

__all__ = ["BalanceSpec", "Way"]

Way = Literal["augment", "resample", "teacher", "smote"]


class BalanceSpec(Spec):
    """Train rows a label. Validation and test rows are never touched."""

    min_rows_per_label: int = Field(default=500, ge=1)
    """Rows that each label should have."""
    max_rows_per_label: int | None = Field(default=None, ge=1)
    """Rows that a label may have; the others are dropped as `over_cap`."""
    max_rows: int | None = Field(default=None, ge=1)
    """Train rows in all, drawn so that labels keep their shares; the others are dropped as `over_cap`."""
    ways: tuple[Way, ...] = ("augment", "resample", "teacher")
    """Ways to fill a label up, in this order. Without `teacher` below, that way is planned and counted, not made;
    `smote` makes vectors for classifier heads and can make no text."""
    copies_per_row: int = Field(default=1, ge=0, le=50)
    """`resample`: copies of one row at most."""
    augment: AugmentSpec = AugmentSpec()
    """`augment`: how variants are made."""
    teacher: BalanceTeacherSpec | None = None
    """`teacher`: who writes what is missing, and within which budget; nothing is sent anywhere without it."""

    @model_validator(mode="after")
    def _teacher_is_a_way(self) -> Self:
        if self.teacher is not None and "teacher" not in self.ways:
            raise ValueError("a teacher is given, but is not among the ways")
        return self
