"""An explanation as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from seekloop.artifact.rows import Message
from seekloop.evaluate.explain.characters import Piece
from seekloop.evaluate.explain.explanation import Explanation
from seekloop.evaluate.explain.rows import Responsible
from seekloop.system import digests

__all__ = ["page"]

_texts: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Why this answer",
        "answer": "Answer",
        "words": "Words of the prompt",
        "rows": "Training rows",
        "for": "made it likelier",
        "against": "made it less likely",
        "note": "The answer has {value:.2f} nats, {blank:.2f} with the prompt's words blanked; what the colours add up "
        "to misses the difference by {gap:+.3f}.",
        "score": "score",
        "where": "where",
        "text": "row",
        "none": "no rows",
    },
    "zh": {
        "title": "为什么这样回答",
        "answer": "回答",
        "words": "提示中的词",
        "rows": "训练样本",
        "for": "使其更可能",
        "against": "使其更不可能",
        "note": "该回答的对数概率为 {value:.2f}，抹去提示中的词后为 {blank:.2f}；"
        "各词得分之和与两者之差相差 {gap:+.3f}。",
        "score": "得分",
        "where": "出处",
        "text": "样本",
        "none": "没有样本",
    },
}

_ends = (("for", 1.0), ("against", -1.0))


def page(explanation: Explanation, *, language: str = "en") -> str:
    """The page; everything that came from rows, prompts or answers is escaped.

    Args:
        explanation: what to show.
        language: of the headings, `en` or `zh`.
    """
    told, words = _texts["zh" if language == "zh" else "en"], explanation.words
    largest = max((abs(piece.score) for piece in words.pieces), default=0.0) or 1.0
    note = told["note"].format(value=words.log_probability, blank=words.blank, gap=words.gap)
    rows = "\n".join(map(_row, explanation.rows)) or f'<tr><td colspan="3">{told["none"]}</td></tr>'
    return _frame.format(
        language=language,
        title=told["title"],
        checkpoint=html.escape(digests.short(explanation.checkpoint)),
        answer=f"<h2>{told['answer']}</h2>\n<pre>{html.escape(explanation.answer.content)}</pre>",
        words=f"<h2>{told['words']}</h2>\n<pre>{_words(words.pieces, largest)}</pre>",
        legend=" ".join(f'<span style="{_shade(share)}">{told[name]}</span>' for name, share in _ends),
        note=html.escape(note),
        rows=f"<h2>{told['rows']}</h2>",
        head="".join(f"<th>{told[name]}</th>" for name in ("score", "where", "text")),
        table=rows,
    )


def _words(pieces: Sequence[Piece], largest: float) -> str:
    return "".join(_word(piece, largest) for piece in pieces)


def _word(piece: Piece, largest: float) -> str:
    shown = html.escape(piece.text)
    if piece.control:
        return f'<span class="control">{shown}</span>'
    return f'<span style="{_shade(piece.score / largest)}" title="{piece.score:+.3f}">{shown}</span>'


def _shade(share: float) -> str:
    """Green for what helped, red for what hindered, the fainter the less."""
    return f"background:rgba({'22,163,74' if share >= 0 else '220,38,38'},{0.75 * abs(share):.2f})"


def _row(one: Responsible) -> str:
    turns = "".join(f"<div><b>{html.escape(turn.role)}</b> {_said(turn)}</div>" for turn in one.messages)
    place = f"{html.escape(one.where)}<br>{html.escape(one.row)}"
    return f"<tr><td>{one.score:+.3f}</td><td>{place}</td><td>{turns}</td></tr>"


def _said(turn: Message) -> str:
    return html.escape(turn.content)


_frame = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }}
body {{ color: #111; background: #fff }}
pre {{ white-space: pre-wrap; line-height: 1.8; font: inherit }}
span {{ border-radius: 3px }}
.control {{ color: #999; font-size: .8em }}
td, th {{ text-align: left; vertical-align: top; padding: .3em .8em .3em 0; border-top: 1px solid #8884 }}
td:first-child {{ font-variant-numeric: tabular-nums }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #eee }} }}
</style></head>
<body>
<h1>{title}</h1>
<p>{checkpoint}</p>
{answer}
{words}
<p>{legend}</p>
<p>{note}</p>
{rows}
<table><tr>{head}</tr>
{table}
</table>
</body></html>
"""
