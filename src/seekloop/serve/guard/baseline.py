"""What is normal: how each feature of a caller moves with the number of queries, and how far callers lie from that.

Each feature is fitted over the logarithm of the number of queries by least squares; vocabulary grows as a power of
length (Heaps 1978), so its logarithm is a line. A score is the length of the vector of positive standardised residuals:
a caller that is less curious than others on one count is not forgiven for another.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from seekloop.serve.guard.sketch import Features

__all__ = ["LOOKS", "NAMES", "Baseline", "Line", "fit"]

NAMES = ("growth", "fresh", "even", "probing")
LOOKS = (50, 100, 200, 300, 500, 800, 1200, 2000, 3000, 5000, 8000, 12_000, 20_000)
"""Queries at which a caller is looked at for a baseline: few, so that long windows do not outweigh short ones."""


class Line(BaseModel):
    """A feature over the logarithm of the number of queries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_one: float
    slope: float
    spread: float
    """Standard deviation of callers around the line."""

    def residual(self, queries: int, value: float) -> float:
        """How many spreads a caller lies above the line."""
        return (value - self.at_one - self.slope * math.log(queries)) / self.spread


class Baseline(BaseModel):
    """Normal callers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    growth: Line
    fresh: Line
    even: Line
    probing: Line
    callers: int
    """How many it was fitted on."""

    def residuals(self, features: Features) -> dict[str, float]:
        """Feature -> how many spreads the caller lies above normal."""
        lines = (self.growth, self.fresh, self.even, self.probing)
        queries = max(1, features.queries)
        return {
            name: line.residual(queries, value) for name, line, value in zip(NAMES, lines, features.values, strict=True)
        }

    def score(self, features: Features) -> float:
        """How far from normal a caller is, towards extraction; 0: nowhere above normal."""
        return math.sqrt(sum(max(0.0, value) ** 2 for value in self.residuals(features).values()))


_least_spread = {"growth": 0.05, "fresh": 0.04, "even": 0.03, "probing": 0.02}
"""Callers that are all alike would make the next one stand out for nothing."""


def fit(callers: Sequence[Sequence[Features]]) -> Baseline:
    """The baseline of callers, each seen at several moments of their window.

    Raises:
        ValueError: there are fewer than two moments.
    """
    seen = [features for moments in callers for features in moments]
    places = [math.log(max(1, features.queries)) for features in seen]
    lines: dict[str, Any] = {}
    for place, name in enumerate(NAMES):
        values = [features.values[place] for features in seen]
        slope, at_one = statistics.linear_regression(places, values) if len({*places}) > 1 else (0.0, values[0])
        rest = [value - at_one - slope * x for x, value in zip(places, values, strict=True)]
        spread = max(math.sqrt(statistics.fmean(r * r for r in rest)), _least_spread[name])
        lines[name] = Line(at_one=at_one, slope=slope, spread=spread)
    return Baseline(**lines, callers=len(callers))
