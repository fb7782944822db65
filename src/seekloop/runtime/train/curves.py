"""Learning curves: a line of blocks for a terminal, a page of charts for a browser, and the numbers behind both."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seekloop.runtime.charts import Axis, Series, line_chart

__all__ = ["SPEED", "Curve", "Panel", "page", "panels", "sparkline"]

SPEED = "tokens_per_s"
"""Key of the speed in an entry. It depends on the day, so it is in no artifact."""
_blocks = "▁▂▃▄▅▆▇█"
_points = 600
"""Drawn at most in one line: more than there are pixels says nothing more."""
_few = 60
"""Points that are marked one by one."""

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line: steps and values."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What stands in one chart."""

    name: str
    curves: tuple[Curve, ...]
    unit: Literal["number", "share"] = "number"


_both = ("train", "validation")
_panels: tuple[tuple[str, tuple[str, str], Literal["number", "share"]], ...] = (
    ("loss", ("loss", "eval_loss"), "number"),
    ("perplexity", ("perplexity", "eval_perplexity"), "number"),
    ("right answers", ("answers", "eval_answers"), "share"),
    ("right classes", ("accuracy", "eval_accuracy"), "share"),
    ("better answer preferred", ("rewards/accuracies", "eval_rewards/accuracies"), "share"),
    ("reward margin", ("rewards/margins", "eval_rewards/margins"), "number"),
    ("learning rate", ("learning_rate", ""), "number"),
    ("gradient norm", ("grad_norm", ""), "number"),
    ("tokens a second", (SPEED, ""), "number"),
)
_style = (
    'body{font:14px/1.5 system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;'
    "margin:2em auto;max-width:680px;padding:0 1em;color:#1f2328;background:#fff}h1{font-size:1.3em}"
    "@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}}"
)


def sparkline(values: Sequence[float]) -> str:
    """One block a value, the lowest of them the smallest; empty where there is nothing finite."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    last = len(_blocks) - 1
    return "".join(_blocks[round((value - low) / span * last) if span else 0] for value in finite)


def panels(history: Sequence[Mapping[str, float]]) -> list[Panel]:
    """What there is to draw, chart by chart; a line holds 600 points at most.

    Args:
        history: entries with `step`, as in `trainer_state.json`.
    """
    found = []
    for name, keys, unit in _panels:
        lines = [[(entry["step"], entry[key]) for entry in history if key in entry] for key in keys]
        drawn = [
            Curve(name=side, points=tuple(_thinned(line))) for side, line in zip(_both, lines, strict=True) if line
        ]
        if drawn:
            named = drawn if len(drawn) > 1 else [Curve(name="", points=drawn[0].points)]
            found.append(Panel(name=name, curves=tuple(named), unit=unit))
    return found


def page(history: Sequence[Mapping[str, float]], *, title: str) -> str:
    """The curves of a run as one HTML page that needs nothing else: no script, no font, no network.

    Args:
        history: entries with `step`, as in `trainer_state.json`.
        title: shown above the curves.
    """
    shown = html.escape(title)
    charts = "\n".join(_chart(panel) for panel in panels(history)) or "<p>no steps</p>\n"
    head = f'<meta charset="utf-8">\n<title>{shown}</title>\n<style>{_style}</style>'
    return f"<!doctype html>\n<html>\n<head>\n{head}\n</head>\n<body>\n<h1>{shown}</h1>\n{charts}</body>\n</html>\n"


def _chart(panel: Panel) -> str:
    series = [Series(name=curve.name, points=curve.points, markers=len(curve.points) <= _few) for curve in panel.curves]
    return line_chart(
        series,
        title=panel.name,
        description="; ".join(_said(curve) for curve in panel.curves),
        x=Axis(label="step"),
        y=Axis(unit=panel.unit),
        size=(640, 220),
    )


def _said(curve: Curve) -> str:
    """First, lowest and last value: what someone is told who does not see the line."""
    finite = [(step, value) for step, value in curve.points if math.isfinite(value)]
    if not finite:
        return f"{curve.name} no finite value".strip()
    lowest = min(value for _, value in finite)
    ends = f"from {finite[0][1]:.4g} at step {finite[0][0]:g} to {finite[-1][1]:.4g} at step {finite[-1][0]:g}"
    return f"{curve.name} {ends}, lowest {lowest:.4g}".strip()


def _thinned(line: Sequence[Point]) -> list[Point]:
    """At most `_points` points, each the mean of a stretch at its last step: what is left out is not left to chance."""
    if len(line) <= _points:
        return list(line)
    size = -(-len(line) // _points)
    stretches = [line[begin : begin + size] for begin in range(0, len(line), size)]
    return [(stretch[-1][0], sum(value for _, value in stretch) / len(stretch)) for stretch in stretches]
