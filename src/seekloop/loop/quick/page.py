"""The learning curve of quick mode as one page that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import Literal

import numpy as np

from seekloop.loop.quick.run import Quick
from seekloop.metrics.learning_curve import foretold
from seekloop.runtime.charts import Axis, Series, line_chart

__all__ = ["chart", "render"]

Language = Literal["en", "zh"]
_words: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Is this dataset worth the full run?",
        "curve": "{figure} over train rows, one epoch",
        "rows": "train rows",
        "measured": "measured",
        "foretold": "foretold",
        "before": "before training",
        "interval": "95 % interval",
        "seconds": "seconds",
        "value": "value",
        "note": "The shaded interval holds which rows were measured and that nobody knows where the curve levels off; "
        "not what another seed of the training would change.",
    },
    "zh": {
        "title": "这份数据值得完整训练吗？",
        "curve": "训练一轮后的 {figure} 随样本数的变化",
        "rows": "训练样本数",
        "measured": "实测",
        "foretold": "外推",
        "before": "训练前",
        "interval": "95% 区间",
        "seconds": "秒",
        "value": "数值",
        "note": "阴影区间包含评测样本的随机性以及曲线何处趋平的未知，不含训练随机种子的影响。",
    },
}
_steps = 40


def chart(found: Quick, *, language: Language = "en") -> str:
    """Measured points with intervals, the curve foretold up to twice the rows, and where it began."""
    said = _words[language]
    points = found.points
    ahead = [float(rows) for rows in np.geomspace(points[0].rows, found.verdict.double.rows, _steps)]
    told = [(rows, *foretold(found.curves, rows)) for rows in ahead]
    series = [
        Series(
            name=said["measured"],
            points=[(one.rows, one.value) for one in points],
            band=[(one.rows, one.low, one.high) for one in points],
            whiskers=True,
            markers=True,
            joined=False,
        ),
        Series(
            name=said["foretold"],
            points=[(rows, value) for rows, value, _ in told],
            band=[(rows, *interval) for rows, _, interval in told],
        ),
    ]
    if found.before is not None:
        flat = [(rows, found.before.value) for rows in (ahead[0], ahead[-1])]
        series.append(Series(name=said["before"], points=flat, dashed=True))
    title = said["curve"].format(figure=found.figure)
    axes = Axis(label=said["rows"], scale="log"), Axis(unit="share")
    return line_chart(series, title=title, description=found.verdict.sentence[language], x=axes[0], y=axes[1])


def render(found: Quick, *, language: Language = "en") -> str:
    """The page: the sentence, the chart and the numbers."""
    said = _words[language]
    before = () if found.before is None else (found.before,)
    head = "".join(f"<th>{escape(said[key])}</th>" for key in ("rows", "value", "interval")) + "<th>n</th>"
    head += f"<th>{escape(said['seconds'])}</th>"
    rows = [
        f"<tr><td>{one.rows:,}</td><td>{one.value:.3f}</td><td>[{one.low:.3f}, {one.high:.3f}]</td><td>{one.n}</td>"
        f"<td>{one.seconds:,.1f}</td></tr>"
        for one in (*before, *found.points)
    ]
    rows += [
        f"<tr><td>{one.rows:,} ({escape(said['foretold'])})</td><td>{one.value:.3f}</td>"
        f"<td>[{one.low:.3f}, {one.high:.3f}]</td><td></td><td></td></tr>"
        for one in (found.verdict.full, found.verdict.double)
    ]
    style = (
        ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:720px;margin:2em auto;"
        "padding:0 16px}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
        "td,th{text-align:left;padding:4px 18px 4px 0;border-bottom:1px solid #8884}p{font-size:17px}small{opacity:.7}"
    )
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(said['title'])}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<h1>{escape(said['title'])}</h1>\n<p>{escape(found.verdict.sentence[language])}</p>\n"
        f"{chart(found, language=language)}<div><small>{escape(said['note'])}</small></div>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>\n</body>\n</html>\n"
    )
