"""Which tokens of a training view are trained: pieces of text for people, and a page of them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from seekloop.model.codec import Codec, View

__all__ = ["Piece", "page", "pieces"]


@dataclass(frozen=True)
class Piece:
    """One token as text; a token that is part of a character shows as U+FFFD."""

    text: str
    trained: bool


def pieces(view: View, codec: Codec) -> list[Piece]:
    """Every token of a view, in order."""
    return [Piece(codec.decode([token]), label >= 0) for token, label in zip(view.ids, view.labels, strict=True)]


def page(title: str, views: Sequence[tuple[str, Sequence[Piece]]]) -> str:
    """One HTML page without scripts or links: each token in a box, trained ones in colour.

    Args:
        title: of the page.
        views: the heading and tokens of each.
    """
    parts = [f"<h2>{html.escape(heading)}</h2>\n<pre>{''.join(map(_box, tokens))}</pre>" for heading, tokens in views]
    return _frame.format(title=html.escape(title), body="\n".join(parts))


def _box(piece: Piece) -> str:
    shown = html.escape(piece.text).replace("\n", "&crarr;\n")
    return f'<span class="{"on" if piece.trained else "off"}">{shown}</span>'


_frame = """<!doctype html>
<html><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px sans-serif; margin: 2em; max-width: 60em }}
pre {{ white-space: pre-wrap; line-height: 1.7 }}
span {{ border-radius: 3px; box-shadow: inset 0 0 0 1px #0001 }}
.on {{ background: #b7e4c7 }}
.off {{ color: #666 }}
</style></head>
<body>
<h1>{title}</h1>
<p><span class="on">trained</span> <span class="off">read, not trained</span></p>
{body}
</body></html>
"""
