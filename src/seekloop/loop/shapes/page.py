"""The front of a search of shapes: a table for a terminal, and a page with a plot for a browser."""

from __future__ import annotations

import html
from collections.abc import Sequence

from seekloop.loop.shapes.trials import Trial, front
from seekloop.runtime.charts import Axis, Series, line_chart

__all__ = ["page", "table"]

_style = (
    'body{font:14px/1.5 system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;'
    "margin:2em auto;max-width:760px;padding:0 1em;color:#1f2328;background:#fff}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:right}td:last-child,th:last-child{text-align:left}"
    "@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}}"
)
_heads = ("trial", "accuracy", "ms", "MB", "shape")


def table(trials: Sequence[Trial]) -> list[str]:
    """Lines of equal columns, a head first."""
    rows = [_heads, *(_cells(trial) for trial in trials)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_heads) - 1)]
    return ["  ".join([*(row[at].rjust(widths[at]) for at in range(len(widths))), row[-1]]) for row in rows]


def page(trials: Sequence[Trial], *, tokens: int) -> str:
    """A whole page of HTML: accuracy over latency for every trial, the front joined, and the front's table.

    Args:
        trials: all that were tried.
        tokens: of the answers that were timed.
    """
    best = front(trials)
    others = [(one.latency_ms, one.accuracy) for one in trials if not one.failed and one not in best]
    series = [Series(name="front", points=[(one.latency_ms, one.accuracy) for one in best], markers=True, joined=False)]
    series += [Series(name="others", points=others, markers=True, joined=False)] if others else []
    title = "Accuracy, latency and size"
    chart = line_chart(
        series,
        title=title,
        description="; ".join(one.said for one in best),
        x=Axis(label=f"ms for an answer of {tokens} tokens"),
        y=Axis(label="right answers on validation rows", unit="share"),
    )
    head = "".join(f"<th>{name}</th>" for name in _heads)
    rows = "\n".join(_row(_cells(one)) for one in best)
    return (
        f'<!doctype html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n<style>{_style}</style>\n'
        f"</head>\n<body>\n{chart}\n<table>\n<tr>{head}</tr>\n{rows}\n</table>\n</body>\n</html>\n"
    )


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _cells(trial: Trial) -> tuple[str, ...]:
    figures = (f"{trial.accuracy:.3f}", f"{trial.latency_ms:.0f}", f"{trial.size_mb:.1f}")
    return (str(trial.number), *figures, trial.shape)
