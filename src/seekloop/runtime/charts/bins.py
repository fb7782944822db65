"""Histograms, and the reliability diagram that tells whether probabilities mean what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seekloop.runtime.charts.axes import Axis, Scale, fitted, written
from seekloop.runtime.charts.drawing import colour, line, number, shorten, svg, text, text_width

__all__ = ["Bucket", "histogram", "reliability_chart"]


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Answers whose probabilities lie close together."""

    predicted: float
    """Their mean probability, 0 to 1."""
    observed: float
    """The share of them that is right."""
    n: int
    low: float | None = None
    """Of the interval of `observed`; None: it has none."""
    high: float | None = None


def reliability_chart(
    buckets: Sequence[Bucket],
    *,
    title: str,
    description: str = "",
    labels: tuple[str, str] = ("probability said", "share that is right"),
    side: float = 360,
) -> str:
    """The share that is right over the probability said; on the dashed line both agree.

    Args:
        buckets: the wider a dot, the more answers it stands for; buckets without a number are left out.
        title: above the chart.
        description: read out to those who do not see it.
        labels: of the axes across and upwards.
        side: of the square, about.
    """
    real = [one for one in buckets if math.isfinite(one.predicted) and math.isfinite(one.observed) and one.n > 0]
    top, bottom, left = 48.0, side - 8, 46.0
    x = fitted(Axis(unit="share", low=0, high=1), (), start=left, end=left + bottom - top)
    y = fitted(Axis(unit="share", low=0, high=1), (), start=bottom, end=top)
    body = [text((0, 15), title, kind="head"), text((0, 36), labels[1], kind="soft")]
    for mark in y.ticks(about=4):
        body.append(line((x.start, y(mark)), (x.end, y(mark)), more='class="grid"'))
        body.append(text((x.start - 6, y(mark) + 4), written(mark, y.axis), anchor="end", kind="soft"))
        body.append(text((x(mark), bottom + 17), written(mark, x.axis), anchor="middle", kind="soft"))
    body.append(text((x.end, bottom + 34), labels[0], anchor="end", kind="soft"))
    body.append(line((x(0), y(0)), (x(1), y(1)), more='stroke="var(--soft)" stroke-dasharray="4 4"'))
    most = max((one.n for one in real), default=1)
    for one in real:
        body += _bucket(one, x=x, y=y, radius=3 + 6 * math.sqrt(one.n / most))
    size = (max(x.end + 24, text_width(title, size=14)), bottom + 40)
    return svg(body, size=size, title=title, description=description)


def _bucket(one: Bucket, *, x: Scale, y: Scale, radius: float) -> list[str]:
    body = []
    if one.low is not None and one.high is not None and math.isfinite(one.low) and math.isfinite(one.high):
        ends = (x(one.predicted), y(one.low)), (x(one.predicted), y(one.high))
        body.append(line(*ends, more=f'stroke="{colour(0)}" stroke-width="2" stroke-opacity="0.55"'))
    said = f"{written(one.predicted, x.axis)} → {100 * one.observed:.1f} %, n={one.n}"
    place = f'cx="{number(x(one.predicted))}" cy="{number(y(one.observed))}" r="{number(radius)}"'
    body.append(f'<circle {place} fill="{colour(0)}" fill-opacity="0.85"><title>{said}</title></circle>')
    return body


def histogram(
    values: Sequence[float],
    *,
    title: str,
    description: str = "",
    axis: Axis,
    bins: int = 24,
    marks: Mapping[str, float] | None = None,
    size: tuple[float, float] = (640, 220),
) -> str:
    """How often values of each size occur.

    Args:
        values: those that are no number on this axis are left out.
        title: above the chart.
        description: read out to those who do not see it.
        axis: below; on a logarithmic one the bins grow with it.
        bins: at most so many, of equal width on the axis.
        marks: upright lines with their names, such as a median or a goal.
        size: width and height.
    """
    width, height = size
    marks = {name: value for name, value in (marks or {}).items() if axis.shows(value)}
    shown = [value for value in values if axis.shows(value)]
    top, bottom = 48.0, height - (40 if axis.label else 24)
    scale = fitted(axis, [*shown, *marks.values()], start=30, end=width - 16)
    counts = _counted(shown, scale, bins=bins)
    most = max(counts, default=0)
    upright = fitted(Axis(low=0, high=max(1, most)), (), start=bottom, end=top + 8)
    step = (scale.end - scale.start) / bins
    body = [text((0, 15), shorten(title, width=width, size=14), kind="head")]
    for index, count in enumerate(counts):
        if count:
            place = f'x="{number(scale.start + index * step + 0.5)}" y="{number(upright(count))}"'
            extent = f'width="{number(step - 1)}" height="{number(bottom - upright(count))}"'
            body.append(f'<rect {place} {extent} fill="{colour(0)}" fill-opacity="0.8"><title>{count}</title></rect>')
    body.append(line((scale.start, bottom), (scale.end, bottom), more='class="grid"'))
    for mark in scale.ticks(about=6):
        body.append(text((scale(mark), bottom + 16), written(mark, axis), anchor="middle", kind="soft"))
    if most:
        body.append(text((scale.start - 6, upright(most) + 4), str(most), anchor="end", kind="soft"))
    if axis.label:
        body.append(text((scale.end, bottom + 33), axis.label, anchor="end", kind="soft"))
    body += _marked(marks, scale, top=top, bottom=bottom)
    return svg(body, size=size, title=title, description=description)


def _marked(marks: Mapping[str, float], scale: Scale, *, top: float, bottom: float) -> list[str]:
    """Upright lines; names that would meet stand on two levels."""
    body, free = [], [0.0, 0.0]
    for name, value in sorted(marks.items(), key=lambda one: one[1]):
        place, said = scale(value), f"{name} {written(value, scale.axis)}"
        half = text_width(said) / 2
        middle = min(max(place, scale.start + half), scale.end - half)
        level = 0 if middle - half >= free[0] else 1
        free[level] = middle + half + 8
        body.append(line((place, top - 2), (place, bottom), more='stroke="var(--soft)" stroke-dasharray="3 3"'))
        body.append(text((middle, top - 6 - 14 * level), said, anchor="middle", kind="soft"))
    return body


def _counted(values: Sequence[float], scale: Scale, *, bins: int) -> list[int]:
    counts = [0] * bins
    for value in values:
        share = (scale(value) - scale.start) / (scale.end - scale.start)
        counts[min(bins - 1, int(share * bins))] += 1
    return counts
