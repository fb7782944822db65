"""Sentences of Chinese and English text, with their places; joined again they are the text."""

from __future__ import annotations

import re

__all__ = ["sentences"]

_closing = "\"'”’」』）】》)\\]"
_end = re.compile(
    rf"[。！？!?]+[{_closing}]*|；|…{{1,}}[{_closing}]*"
    rf"|\.[{_closing}]*(?=\s+[\"'“‘(\[]?[A-Z\u00c0-\u00de0-9\u4e00-\u9fff])"
    r"|\n{2,}|\n(?=\s*(?:[-*•]|\d+[.)、])\s)"
)
_abbreviation = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|No|Nos|Fig|Figs|Eq|Sec|Ch|Vol|vs|cf|al|approx|Inc|Ltd|Co|Corp|Dept|Art|Jan"
    r"|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)|\b[eE]\.g|\b[iI]\.e|\b[aApP]\.m|\bU\.S)$"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, in order; together they are the whole text, spaces after a sentence included.

    A full stop ends a sentence before a space and a capital, a digit or a Chinese character, but not after an
    abbreviation or an initial. Chinese marks, `!` and `?` end one wherever they stand.
    """
    cuts: list[int] = []
    for match in _end.finditer(text):
        if match[0][0] == "." and _abbreviation.search(text, max(0, match.start() - 8), match.start()):
            continue
        end = match.end()
        while end < len(text) and text[end].isspace():
            end += 1
        if end < len(text):
            cuts.append(end)
    starts = [0, *dict.fromkeys(cuts)]
    return [(start, end) for start, end in zip(starts, [*starts[1:], len(text)], strict=True) if end > start]
