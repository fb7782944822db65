"""Axes: from numbers to places, ticks at round numbers, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Axis", "Scale", "fitted", "written"]

_largest, _smallest = 1e15, 1e-15
"""Numbers beyond these are broken ones, and would leave no room for the others."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What an axis shows."""

    label: str = ""
    scale: Literal["linear", "log"] = "linear"
    """A logarithmic axis leaves out what is not above 0."""
    unit: Literal["number", "share"] = "number"
    """A share is written in percent."""
    low: float | None = None
    """Where the axis begins; None: as the numbers need."""
    high: float | None = None
    """Where the axis ends; None: as the numbers need."""

    def shows(self, value: float) -> bool:
        """Whether `value` has a place on this axis."""
        return abs(value) < _largest and (self.scale == "linear" or value > _smallest)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An axis laid over a stretch of the drawing."""

    axis: Axis
    low: float
    high: float
    start: float
    """Place of `low`."""
    end: float
    """Place of `high`."""

    def __call__(self, value: float) -> float:
        """The place of `value`; what is beyond the axis is put at its end."""
        low, high, here = (self._flat(one) for one in (self.low, self.high, value))
        share = min(1.0, max(0.0, (here - low) / (high - low)))
        return self.start + share * (self.end - self.start)

    def ticks(self, *, about: int) -> list[float]:
        """Round numbers on the axis, about so many."""
        if self.axis.scale == "log":
            return _log_ticks(self.low, self.high, about=about)
        step = _round_step((self.high - self.low) / max(1, about))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]

    def _flat(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.axis.scale == "log" else value


def fitted(axis: Axis, values: Iterable[float], *, start: float, end: float) -> Scale:
    """`axis` over the stretch from `start` to `end`, long enough for `values` and no longer than round ends need."""
    shown = [value for value in values if axis.shows(value)]
    low = min(shown, default=1.0 if axis.scale == "log" else 0.0)
    high = max(shown, default=10.0 if axis.scale == "log" else 1.0)
    if high <= low:
        low, high = (
            (low / 2, high * 2) if axis.scale == "log" else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)
        )
    if axis.scale == "linear":
        step = _round_step((high - low) / 4)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    low, high = axis.low if axis.low is not None else low, axis.high if axis.high is not None else high
    return Scale(axis=axis, low=low, high=high if high > low else low + 1, start=start, end=end)


def written(value: float, axis: Axis) -> str:
    """A number as it stands beside an axis."""
    if not math.isfinite(value):
        return "–"
    if axis.unit == "share":
        return f"{100 * value:.4g} %"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is no less than `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _log_ticks(low: float, high: float, *, about: int) -> list[float]:
    """Powers of ten, with 2 and 5 between them where there is room; the ends where the axis holds neither."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(found) <= max(2, about):
            break
    every = max(1, math.ceil(len(found) / max(2, about)))
    return found[::every] or [low, high]
