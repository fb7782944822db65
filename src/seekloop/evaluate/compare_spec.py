"""What decides whether a candidate is better: the primary figure, its margin, and what must not get worse."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["CompareSpec"]


class CompareSpec(Spec):
    """Declared before the candidate is measured, and part of the report: the verdict follows from it and the counts."""

    primary: str = "auto"
    """Figure that the verdict is about; auto: accuracy where answers hold a label, else ROUGE-L of the commonest
    language, else exact_match."""
    margin: float = Field(default=0.03, ge=0, lt=1)
    """Loss of the primary figure that is still called no loss: 0.03 is three points."""
    guards: dict[str, float] = Field(default={"ends_by_itself": 0.03}, max_length=20)
    """Further figures that must not get worse, each with its margin: one that does makes the verdict worse."""
    min_rows: int = Field(default=10, ge=1)
    """A figure on fewer shared rows (or groups of rows) is no evidence."""
    power: float = Field(default=0.8, gt=0, lt=1)
    """Chance to tell that the stated number of further rows gives."""
