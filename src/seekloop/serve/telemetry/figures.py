"""Counts and distributions, as plain numbers: one event loop adds to them, and a scrape on the same loop reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Figure", "Gauge", "Spread", "Tally"]

_other = "other"


class Tally:
    """Counts by labels, never more than `most` series: what comes after them is counted as `other`.

    Args:
        name: of the figure, without `_total`.
        text: what it counts.
        labels: their names.
        most: series.
    """

    def __init__(self, name: str, text: str, *, labels: Sequence[str] = (), most: int = 200) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self.values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}
        self._most = most

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count `by` more."""
        if labels not in self.values and len(self.values) >= self._most:
            labels = (_other,) * len(self.labels)
        self.values[labels] = self.values.get(labels, 0.0) + by


class Spread:
    """How values are distributed over buckets.

    Args:
        name: of the figure.
        text: what is measured, with its unit.
        bounds: upper ends of the buckets, ascending; one more takes the rest.
    """

    def __init__(self, name: str, text: str, *, bounds: Sequence[float]) -> None:
        self.name = name
        self.text = text
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more value; one that stands at a bound belongs to it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """A value as it is now."""

    name: str
    text: str
    values: Mapping[tuple[str, ...], float]
    """By label values."""
    labels: tuple[str, ...] = ()
    together: Literal["sum", "max", "min"] = "sum"
    """What the values of several processes are together."""


Figure = Spread | Tally | Gauge
