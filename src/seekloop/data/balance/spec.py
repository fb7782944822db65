"""What balancing is told: how many train rows a label needs and may have, and which ways may fill it up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.data.augment.spec import AugmentSpec
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
    """Ways to fill a label up, in this order. `teacher` is planned and counted, not made here; `smote` makes vectors
    for classifier heads and can make no text."""
    copies_per_row: int = Field(default=1, ge=0, le=50)
    """`resample`: copies of one row at most."""
    augment: AugmentSpec = AugmentSpec()
    """`augment`: how variants are made."""
