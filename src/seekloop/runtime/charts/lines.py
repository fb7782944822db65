"""Line charts: several series, each named at its own end, with a band where it is uncertain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from seekloop.runtime.charts.axes import Axis, Scale, fitted, written
from seekloop.runtime.charts.drawing import colour, line, number, shorten, svg, text, text_width

__all__ = ["Series", "line_chart"]

_apart = 14.0
"""Least distance between the names of two series."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line."""

    name: str = ""
    """Written at its end; empty: not named."""
    points: Sequence[tuple[float, float]]
    """x and y; what is no finite number breaks the line."""
    band: Sequence[tuple[float, float, float]] = ()
    """x, low and high: the area behind the line."""
    whiskers: bool = False
    """The band is drawn as an interval at each x, for measurements; else as an area, for a curve."""
    markers: bool = False
    joined: bool = True
    """Whether a line goes through the points."""
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Plot:
    x: Scale
    y: Scale


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    description: str = "",
    x: Axis,
    y: Axis,
    size: tuple[float, float] = (640, 300),
) -> str:
    """Lines over x.

    Args:
        series: drawn in this order, each in its own colour.
        title: above the chart.
        description: read out to those who do not see it.
        x: the axis below.
        y: the axis at the left; its label stands above it.
        size: width and height.
    """
    width, height = size
    names = [shorten(one.name, width=width * 0.3) for one in series]
    right = 18 + max((text_width(name) for name in names), default=0)
    top, bottom = (24 if title else 4) + (20 if y.label else 6), height - (40 if x.label else 24)
    ys = [point[1] for one in series for point in one.points] + [v for one in series for b in one.band for v in b[1:]]
    upright = fitted(y, ys, start=bottom, end=top)
    marks = upright.ticks(about=5)
    left = 10 + max((text_width(written(mark, y)) for mark in marks), default=20)
    xs = [point[0] for one in series for point in one.points] + [b[0] for one in series for b in one.band]
    plot = _Plot(x=fitted(_tight(x, xs), xs, start=left, end=width - right), y=upright)
    body = [text((0, 15), shorten(title, width=width, size=14), kind="head")] if title else []
    body += _frame(plot, marks)
    for index, one in enumerate(series):
        body += _drawn(one, plot, colour=colour(index))
    body += _names(series, names, plot=plot)
    return svg(body, size=size, title=title, description=description)


def _tight(axis: Axis, values: Sequence[float]) -> Axis:
    """x begins and ends with the numbers: a curve needs no empty room beside it."""
    shown = [value for value in values if axis.shows(value)]
    if len(set(shown)) < 2:
        return axis
    low = min(shown) if axis.low is None else axis.low
    return Axis(
        label=axis.label,
        scale=axis.scale,
        unit=axis.unit,
        low=low,
        high=max(shown) if axis.high is None else axis.high,
    )


def _frame(plot: _Plot, marks: Sequence[float]) -> list[str]:
    """Faint lines at the ticks of y, ticks and numbers of x, labels of both."""
    x, y = plot.x, plot.y
    body = []
    for mark in marks:
        body.append(line((x.start, y(mark)), (x.end, y(mark)), more='class="grid"'))
        body.append(text((x.start - 6, y(mark) + 4), written(mark, y.axis), anchor="end", kind="soft"))
    last = -math.inf
    for mark in x.ticks(about=max(2, int((x.end - x.start) / 80))):
        content = written(mark, x.axis)
        if x(mark) - text_width(content) / 2 > last:
            body.append(line((x(mark), y.start), (x(mark), y.start + 4), more='class="grid"'))
            body.append(text((x(mark), y.start + 17), content, anchor="middle", kind="soft"))
            last = x(mark) + text_width(content) / 2 + 6
    if y.axis.label:
        body.append(text((0, y.end - 10), y.axis.label, kind="soft"))
    if x.axis.label:
        body.append(text((x.end, y.start + 34), x.axis.label, anchor="end", kind="soft"))
    return body


def _drawn(one: Series, plot: _Plot, *, colour: str) -> list[str]:
    shown = [point if _shows(plot, point) else None for point in one.points]
    body = _band(one, plot, colour=colour)
    if one.joined:
        for real, run in groupby(shown, key=lambda point: point is not None):
            places = [f"{number(plot.x(p[0]))},{number(plot.y(p[1]))}" for p in run if p is not None]
            dash = ' stroke-dasharray="5 4"' if one.dashed else ""
            if real and len(places) > 1:
                drawn = f'fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"{dash}'
                body.append(f'<polyline points="{" ".join(places)}" {drawn}/>')
    if one.markers or len(one.points) == 1:
        for point in shown:
            if point is not None:
                said = f"{written(point[0], plot.x.axis)}: {written(point[1], plot.y.axis)}"
                place = f'cx="{number(plot.x(point[0]))}" cy="{number(plot.y(point[1]))}"'
                body.append(f'<circle {place} r="3.5" fill="{colour}"><title>{said}</title></circle>')
    return body


def _band(one: Series, plot: _Plot, *, colour: str) -> list[str]:
    shown = [(plot.x(x), plot.y(low), plot.y(high)) for x, low, high in one.band if _shows(plot, (x, low), (x, high))]
    if one.whiskers:
        return [line((x, low), (x, high), more=f'stroke="{colour}" stroke-width="1.5"') for x, low, high in shown]
    if len(shown) < 2:
        return []
    around = [(x, low) for x, low, _ in shown] + [(x, high) for x, _, high in reversed(shown)]
    points = " ".join(f"{number(x)},{number(y)}" for x, y in around)
    return [f'<polygon points="{points}" fill="{colour}" fill-opacity="0.14"/>']


def _shows(plot: _Plot, *points: tuple[float, float]) -> bool:
    return all(plot.x.axis.shows(x) and plot.y.axis.shows(y) for x, y in points)


def _names(series: Sequence[Series], names: Sequence[str], *, plot: _Plot) -> list[str]:
    """Each name beside the end of its line, moved apart from others; above the end where that is far from the edge."""
    beside: list[tuple[float, int]] = []
    body = []
    for index, one in enumerate(series):
        seen = [point for point in one.points if _shows(plot, point)]
        if seen and names[index]:
            x, y = max(seen)
            if plot.x(x) > plot.x.start + 0.85 * (plot.x.end - plot.x.start):
                beside.append((plot.y(y) + 4, index))
            else:
                body.append(_name((plot.x(x) - 6, plot.y(y) - 10), names[index], index=index, anchor="end"))
    beside.sort()
    places = _spread([y for y, _ in beside], lowest=plot.y.start + 4)
    ends = zip(places, beside, strict=True)
    return body + [_name((plot.x.end + 8, y), names[index], index=index, anchor="start") for y, (_, index) in ends]


def _spread(places: Sequence[float], *, lowest: float) -> list[float]:
    """Sorted places, moved as little as keeps them apart and above `lowest`."""
    found = list(places)
    for index in range(1, len(found)):
        found[index] = max(found[index], found[index - 1] + _apart)
    for index in reversed(range(len(found))):
        found[index] = min(found[index], lowest)
        lowest = found[index] - _apart
    return found


def _name(place: tuple[float, float], name: str, *, index: int, anchor: str) -> str:
    return text(place, name, anchor=anchor, more=f'style="fill:{colour(index)}" font-weight="600"')
