"""Learning curves without a plotting library: a line of blocks for a terminal, a page of its own for a browser."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

__all__ = ["page", "sparkline"]

_blocks = "▁▂▃▄▅▆▇█"
_width, _height, _left, _below = 640, 180, 56, 20
_points = 600
"""Drawn at most in one line: more than there are pixels says nothing more."""
_ticks = 4
_colours = ("#2563eb", "#dc2626")
_charts = (
    ("loss", ("loss", "eval_loss"), ("train", "validation")),
    ("right answers", ("eval_answers",), ("validation",)),
    ("learning rate", ("learning_rate",), ("",)),
    ("gradient norm", ("grad_norm",), ("",)),
)
_style = (
    "body{font:14px system-ui,sans-serif;margin:2em auto;max-width:680px;color:#111;background:#fff}"
    "h2{font-size:1em;margin:1.5em 0 .3em}svg{width:100%;height:auto}text{font-size:10px;fill:#555}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}text{fill:#aaa}}"
)

Point = tuple[float, float]


def sparkline(values: Sequence[float]) -> str:
    """One block a value, the lowest of them the smallest; empty where there is nothing finite."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    last = len(_blocks) - 1
    return "".join(_blocks[round((value - low) / span * last) if span else 0] for value in finite)


def page(history: Sequence[Mapping[str, float]], *, title: str) -> str:
    """The curves of a run as one HTML page that needs nothing else: no script, no font, no network.

    Args:
        history: entries with `step`, as in `trainer_state.json`.
        title: shown above the curves.
    """
    parts = []
    for name, keys, labels in _charts:
        lines = [[(entry["step"], entry[key]) for entry in history if key in entry] for key in keys]
        drawn = [(label, line) for label, line in zip(labels, lines, strict=True) if line]
        if drawn:
            parts.append(f"<h2>{html.escape(name)}</h2>\n{_chart(drawn)}")
    shown = html.escape(title)
    head = f'<meta charset="utf-8">\n<title>{shown}</title>\n<style>{_style}</style>'
    body = "\n".join(parts) or "<p>no steps</p>"
    return f"<!doctype html>\n<html>\n<head>\n{head}\n</head>\n<body>\n<h1>{shown}</h1>\n{body}\n</body>\n</html>\n"


def _chart(lines: Sequence[tuple[str, Sequence[Point]]]) -> str:
    """One SVG: axes with their numbers, a line for each series, dots where a series is short."""
    points = [point for _, line in lines for point in line if math.isfinite(point[1])]
    if not points:
        return "<p>no finite value</p>"
    x = _scale([point[0] for point in points], begin=_left, end=_width)
    y = _scale([point[1] for point in points], begin=_height - _below, end=8)
    parts = [f'<svg viewBox="0 0 {_width + 8} {_height}" role="img">', *_axes(points, x=x, y=y)]
    for place, ((label, line), colour) in enumerate(zip(lines, _colours, strict=False)):
        shown = [(x[0] + x[1] * step, y[0] + y[1] * value) for step, value in _thinned(line) if math.isfinite(value)]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in shown)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if len(shown) <= _points // 10:
            parts += [f'<circle cx="{across:.1f}" cy="{down:.1f}" r="2" fill="{colour}"/>' for across, down in shown]
        if label:
            at = f'x="{_width - 70}" y="{16 + 12 * place}" style="fill:{colour}"'
            parts.append(f"<text {at}>{html.escape(label)}</text>")
    return "\n".join([*parts, "</svg>"])


def _axes(points: Sequence[Point], *, x: Point, y: Point) -> list[str]:
    parts = []
    values, steps = [point[1] for point in points], [point[0] for point in points]
    for part in range(_ticks + 1):
        value = min(values) + (max(values) - min(values)) * part / _ticks
        down = y[0] + y[1] * value
        parts.append(f'<line x1="{_left}" x2="{_width}" y1="{down:.1f}" y2="{down:.1f}" stroke="#8884"/>')
        parts.append(f'<text x="{_left - 4}" y="{down + 3:.1f}" text-anchor="end">{value:.4g}</text>')
        step = min(steps) + (max(steps) - min(steps)) * part / _ticks
        across = x[0] + x[1] * step
        parts.append(f'<text x="{across:.1f}" y="{_height - 4}" text-anchor="middle">{step:.0f}</text>')
    return parts


def _scale(values: Sequence[float], *, begin: float, end: float) -> Point:
    """Offset and factor that put the lowest value at `begin` and the highest at `end`."""
    low, span = min(values), max(values) - min(values)
    factor = (end - begin) / span if span else 0.0
    return begin - low * factor, factor


def _thinned(line: Sequence[Point]) -> list[Point]:
    """At most `_points` points, each the mean of a stretch at its last step: what is left out is not left to chance."""
    if len(line) <= _points:
        return list(line)
    size = -(-len(line) // _points)
    stretches = [line[begin : begin + size] for begin in range(0, len(line), size)]
    return [(stretch[-1][0], sum(value for _, value in stretch) / len(stretch)) for stretch in stretches]
