"""Prices, and what a core draws: assumptions that the report repeats."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["CostSpec"]


class CostSpec(Spec):
    """Prices are in any one currency."""

    core_hour: float = Field(default=0.0, ge=0)
    """Price of one core for an hour."""
    watts_core: float = Field(default=10.0, ge=0)
    """Power of one busy core with its share of memory and supply: an assumption, unless you measured yours."""
    kwh: float = Field(default=0.0, ge=0)
    """Price of a kilowatt-hour, where it is not part of the core's."""
    grams_per_kwh: float = Field(default=0.0, ge=0)
    """CO2 of a kilowatt-hour where the machine stands, grams; 0: not counted."""
    cores: int = Field(default=2, ge=1)
    """Of the machine that answers: they are taken as busy while an answer is generated."""
