"""Heat maps of counts, up to a hundred names a side; a confusion matrix has its diagonal in another colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seekloop.runtime.charts.drawing import colour, number, shorten, svg, text, text_width

__all__ = ["heat_map"]

_largest, _smallest, _aimed = 40.0, 9.0, 520.0
_numbers_from = 22.0
"""A cell of this size has room for its number."""


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    counts: Sequence[Sequence[float]],
    title: str,
    description: str = "",
    row_label: str = "",
    column_label: str = "",
) -> str:
    """Counts as shades: a cell is as dark as its share of its row.

    Args:
        rows: names at the left; what is counted.
        columns: names above. A cell whose row has the same name is drawn in another colour.
        counts: shape (rows, columns); what is no positive number stays empty.
        title: above the chart.
        description: read out to those who do not see it.
        row_label: what the rows are, such as `right label`.
        column_label: what the columns are, such as `answer`.

    Raises:
        ValueError: the counts have another shape than the names say.
    """
    if len(counts) != len(rows) or any(len(row) != len(columns) for row in counts):
        raise ValueError(f"counts are not {len(rows)} x {len(columns)}")
    cell = max(_smallest, min(_largest, _aimed / max(1, len(columns))))
    size = min(12.0, cell * 0.9)
    left = 10 + max([text_width(name, size=size) for name in _shown(rows, size)] + [text_width(row_label)])
    above = 8 + max((text_width(name, size=size) for name in _shown(columns, size)), default=0)
    top = 26 + (18 if column_label else 0) + above
    width = max(left + cell * len(columns) + 12, text_width(title, size=14) + 4)
    body = [text((0, 15), title, kind="head")]
    if column_label:
        body.append(text((left, 36), f"{column_label} →", kind="soft"))
    if row_label:
        body.append(text((left - 8, top - 8), f"{row_label} ↓", anchor="end", kind="soft"))
    body += _names(rows, columns, corner=(left, top), cell=cell, size=size)
    frame = f'width="{number(cell * len(columns))}" height="{number(cell * len(rows))}"'
    outline = 'fill="none" stroke="var(--grid)"'
    body.append(f'<rect x="{number(left)}" y="{number(top)}" {frame} {outline}/>')
    same = not set(rows).isdisjoint(columns)
    for index, row in enumerate(counts):
        total = math.fsum(value for value in row if math.isfinite(value) and value > 0)
        for place, value in enumerate(row):
            if math.isfinite(value) and value > 0:
                said = f"{rows[index]} → {columns[place]}: {_count(value)}"
                corner = (left + cell * place, top + cell * index)
                hit = rows[index] == columns[place]
                body.append(_cell(corner, value, share=value / total, side=cell, hit=hit or not same, said=said))
    return svg(body, size=(width, top + cell * len(rows) + 8), title=title, description=description)


def _shown(names: Sequence[str], size: float) -> list[str]:
    return [shorten(name, width=16 * size, size=size) for name in names]


def _names(
    rows: Sequence[str], columns: Sequence[str], *, corner: tuple[float, float], cell: float, size: float
) -> list[str]:
    left, top = corner
    look = f'style="font-size:{number(size)}px"'
    body = []
    for index, name in enumerate(_shown(rows, size)):
        middle = top + cell * (index + 0.5) + size * 0.35
        body.append(text((left - 6, middle), name, anchor="end", more=look))
    for index, name in enumerate(_shown(columns, size)):
        x = left + cell * (index + 0.5) + size * 0.35
        turned = f'transform="rotate(-90 {number(x)} {number(top - 6)})" {look}'
        body.append(text((x, top - 6), name, more=turned))
    return body


def _cell(corner: tuple[float, float], value: float, *, share: float, side: float, hit: bool, said: str) -> str:
    """A square with a note that shows when it is pointed at, and its number where there is room."""
    shade = colour(0) if hit else colour(1)
    x, y = corner
    content = _count(value)
    number_in = ""
    if side >= _numbers_from:
        size = min(12.0, side * 0.9 / max(1.0, 0.56 * len(content)))
        kind = "on" if share > 0.55 else ""
        look = f'style="font-size:{number(size)}px"'
        number_in = text((x + side / 2, y + side / 2 + size * 0.35), content, anchor="middle", kind=kind, more=look)
    from_edge = 0.5 if side < 16 else 1.0
    inner = f'width="{number(side - 2 * from_edge)}" height="{number(side - 2 * from_edge)}"'
    place = f'x="{number(x + from_edge)}" y="{number(y + from_edge)}"'
    note = text((0, 0), said).partition(">")[2].removesuffix("</text>")
    opacity = f'fill-opacity="{0.12 + 0.88 * share:.2f}"'
    return f'<g><title>{note}</title><rect {place} {inner} fill="{shade}" {opacity}/>{number_in}</g>'


def _count(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2g}"
