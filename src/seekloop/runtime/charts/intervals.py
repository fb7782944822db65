"""Values with their intervals, one a line: a dot, a whisker, the name at the left and the numbers at the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.runtime.charts.axes import Axis, Scale, fitted, written
from seekloop.runtime.charts.drawing import colour, line, number, shorten, svg, text, text_width

__all__ = ["Dot", "interval_chart"]

_row = 24.0


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One line of the chart."""

    name: str
    value: float
    low: float | None = None
    """Of its 95 % interval; None: it has none."""
    high: float | None = None
    note: str = ""
    """Behind the value, such as `n=40`."""
    colour: int = 0


def interval_chart(
    dots: Sequence[Dot],
    *,
    title: str,
    description: str = "",
    axis: Axis,
    reference: float | None = None,
    bars: bool = False,
    width: float = 640,
) -> str:
    """One line a value, in the order given.

    Args:
        dots: the values; one that is no finite number is written as a dash.
        title: above the chart.
        description: read out to those who do not see it.
        axis: below.
        reference: where an upright line is drawn, such as 0 for differences.
        bars: draw bars from 0 (or the axis' nearer end) too.
        width: of the whole chart; its height follows from the number of lines.
    """
    notes = [_note(dot, axis) for dot in dots]
    names = [shorten(dot.name, width=width * 0.34) for dot in dots]
    left = 12 + max((text_width(name) for name in names), default=0)
    right = 14 + max((text_width(note) for note in notes), default=0)
    top = 26.0 if title else 2.0
    bottom = top + _row * max(1, len(dots))
    values = [value for dot in dots for value in (dot.value, dot.low, dot.high, reference) if value is not None]
    scale = fitted(axis, values, start=left, end=max(left + 80, width - right))
    body = [text((0, 15), shorten(title, width=width, size=14), kind="head")] if title else []
    body += _below(scale, top=top, bottom=bottom, reference=reference)
    origin = scale(min(max(0.0, scale.low), scale.high))
    for index, dot in enumerate(dots):
        middle = top + _row * (index + 0.5)
        body.append(text((left - 10, middle + 4), names[index], anchor="end"))
        body.append(text((scale.end + 12, middle + 4), notes[index], kind="soft"))
        body += _mark(dot, scale, middle=middle, origin=origin if bars else None)
    size = (max(width, scale.end + right), bottom + (38 if axis.label else 22))
    return svg(body, size=size, title=title, description=description)


def _below(scale: Scale, *, top: float, bottom: float, reference: float | None) -> list[str]:
    body = []
    for mark in scale.ticks(about=max(2, int((scale.end - scale.start) / 80))):
        body.append(line((scale(mark), top), (scale(mark), bottom), more='class="grid"'))
        body.append(text((scale(mark), bottom + 15), written(mark, scale.axis), anchor="middle", kind="soft"))
    if reference is not None and scale.axis.shows(reference):
        place = scale(reference)
        body.append(line((place, top), (place, bottom), more='stroke="var(--soft)" stroke-width="1.5"'))
    if scale.axis.label:
        body.append(text((scale.end, bottom + 32), scale.axis.label, anchor="end", kind="soft"))
    return body


def _mark(dot: Dot, scale: Scale, *, middle: float, origin: float | None) -> list[str]:
    if not scale.axis.shows(dot.value):
        return [text((scale.start + 4, middle + 4), "–", kind="soft")]
    place, shade = scale(dot.value), colour(dot.colour)
    body = []
    if origin is not None:
        start, length = min(origin, place), abs(place - origin)
        corner = f'x="{number(start)}" y="{number(middle - 7)}"'
        body.append(f'<rect {corner} width="{number(length)}" height="14" fill="{shade}" fill-opacity="0.3"/>')
    if dot.low is not None and dot.high is not None and scale.axis.shows(dot.low) and scale.axis.shows(dot.high):
        ends = (scale(dot.low), middle), (scale(dot.high), middle)
        body.append(line(*ends, more=f'stroke="{shade}" stroke-width="2" stroke-opacity="0.55"'))
    body.append(f'<circle cx="{number(place)}" cy="{number(middle)}" r="4" fill="{shade}"/>')
    return body


def _note(dot: Dot, axis: Axis) -> str:
    if axis.unit == "share" and math.isfinite(dot.value):
        value = f"{100 * dot.value:.1f} %"
    else:
        value = written(dot.value, axis)
    return f"{value}  {dot.note}".rstrip()
