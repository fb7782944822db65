"""The pieces every chart is drawn from: text, numbers, and the frame with its colours."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Sequence
from html import escape

__all__ = ["COLOURS", "at", "colour", "line", "number", "shorten", "svg", "text", "text_width"]

COLOURS = 6
"""Colours before they repeat; neighbours are told apart by those who confuse red and green too."""

_narrow, _wide = frozenset("ijltfr.,:;'|!()[] "), frozenset("mwMW@%…→")
_style = (
    "svg.chart{--ink:#1f2328;--soft:#656d76;--grid:#e4e7eb;--paper:#fff;"
    "--c1:#2f6fdb;--c2:#d9730d;--c3:#1a8a5f;--c4:#8250c4;--c5:#c2363f;--c6:#57606a;"
    'color:var(--ink);font:12px system-ui,-apple-system,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;'
    "max-width:100%;height:auto}"
    "@media (prefers-color-scheme:dark){svg.chart{--ink:#e6edf3;--soft:#9aa4af;--grid:#2b323b;--paper:#0d1117;"
    "--c1:#6ea8ff;--c2:#f2a65a;--c3:#4cc38a;--c4:#b794f4;--c5:#f47c7c;--c6:#9aa4af}}"
    "svg.chart text{fill:currentColor}svg.chart .soft{fill:var(--soft)}svg.chart .on{fill:var(--paper)}"
    "svg.chart .head{font-size:14px;font-weight:600}svg.chart .grid{stroke:var(--grid);stroke-width:1}"
)


def svg(body: Sequence[str], *, size: tuple[float, float], title: str, description: str) -> str:
    """The whole chart.

    Args:
        body: its elements, in drawing order.
        size: width and height, in units that are pixels at full size.
        title: drawn by the caller, and read out by screen readers.
        description: what the chart shows, in a sentence; read out, not drawn.
    """
    width, height = (number(value) for value in size)
    drawn = "\n".join(body)
    name = "c" + hashlib.sha256(f"{title}\n{description}\n{drawn}".encode()).hexdigest()[:10]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escape(_printable(title))}</title>'
        f'<desc id="{name}-d">{escape(_printable(description))}</desc>'
        f"<style>{_style}</style>\n{drawn}\n</svg>\n"
    )


def text(place: tuple[float, float], content: str, *, anchor: str = "start", kind: str = "", more: str = "") -> str:
    """A line of text at `place`.

    Args:
        place: x and the baseline's y.
        content: escaped here.
        anchor: which end of the text is at x: start, middle or end.
        kind: class: soft, head, on; empty: plain.
        more: further attributes, as they are written.
    """
    sort = f' class="{kind}"' if kind else ""
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f"<text{at(place)}{side}{sort}{more and ' ' + more}>{escape(_printable(content))}</text>"


def line(start: tuple[float, float], end: tuple[float, float], *, more: str) -> str:
    """A straight line; `more` are its attributes, as they are written."""
    (x1, y1), (x2, y2) = (tuple(number(value) for value in point) for point in (start, end))
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {more}/>'


def at(place: tuple[float, float]) -> str:
    """x and y as attributes."""
    return f' x="{number(place[0])}" y="{number(place[1])}"'


def colour(index: int) -> str:
    """The CSS colour of the series with this place."""
    return f"var(--c{index % COLOURS + 1})"


def number(value: float) -> str:
    """A coordinate, to a tenth."""
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def text_width(content: str, *, size: float = 12) -> float:
    """About how wide `content` is drawn, rather too wide than too narrow; a Chinese character takes one em."""
    return size * math.fsum(_em(one) for one in content)


def shorten(content: str, *, width: float, size: float = 12) -> str:
    """`content`, cut in the middle with an ellipsis where it is wider than `width`."""
    if text_width(content, size=size) <= width:
        return content
    kept = len(content) - 1
    while kept > 2 and text_width(_cut(content, kept), size=size) > width:
        kept -= 1
    return _cut(content, kept)


def _em(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in _narrow:
        return 0.38
    return 0.95 if character in _wide else 0.72 if character.isupper() else 0.62


def _cut(content: str, kept: int) -> str:
    head = (kept + 1) // 2
    return f"{content[:head]}…{content[len(content) - (kept - head) :]}"


def _printable(content: str) -> str:
    """Without what XML does not allow: control characters and lone surrogates."""
    return "".join(
        " " if unicodedata.category(one) in ("Cc", "Cs") or one in "\ufffe\uffff" else one for one in content
    )
