"""Punctuation by the language of its sentence: full-width in Chinese, half-width elsewhere, and none of it in rows."""

from __future__ import annotations

import re

from seekloop.text.protect import Patterns, rewrite
from seekloop.text.segment import language_of

__all__ = ["by_language", "once"]

_han = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_full = {",": "，", ";": "；", ":": "：", "?": "？", "!": "！", ".": "。", "(": "（", ")": "）"}
_half = {wide: narrow for narrow, wide in _full.items()}
_mark = re.compile(r"[,;:?!.()，；：？！。（）]")
# A full stop ends a sentence in either width: else the width of one mark would decide the language of the next.
_sentence = re.compile(r"(?:[^\n。！？!?.]|\.(?=[0-9A-Za-z]))*[。！？!?.]*")
_row = re.compile(r"([！？。，、；!?;～~])\1+|(?<!,),{2,}(?!,)")
_is_han = re.compile(f"[{_han}」』”’》】）\\])]")


def by_language(text: str, *, keep: Patterns = ()) -> tuple[str, int]:
    """`text` with each mark in the width that its sentence's language writes, and how many were changed.

    In a Chinese sentence a half-width mark that follows a Chinese character becomes full-width; in any other sentence
    full-width marks become half-width, with a space behind them where a word follows.
    """
    bounds = [(match.end(), language_of(match[0])) for match in _sentence.finditer(text) if match[0]]
    place = 0

    def edit(match: re.Match[str]) -> str | None:
        nonlocal place
        while place + 1 < len(bounds) and bounds[place][0] <= match.start():
            place += 1
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if bounds[place][1] in ("zh", "ja"):
            return _widened(match[0], before=before, after=after)
        return _narrowed(match[0], after) if bounds[place][1] != "und" else None

    return rewrite(text, _mark, edit=edit, keep=keep)


def once(text: str, *, keep: Patterns = ()) -> tuple[str, int]:
    """`text` with a mark that stands several times in a row written once: `！！！` is `！`; `...` and `……` stay."""
    return rewrite(text, _row, edit=lambda match: match[0][0], keep=keep)


def _widened(mark: str, *, before: str, after: str) -> str | None:
    if mark not in _full:
        return None
    if mark == "(":
        return _full[mark] if _is_han.match(after) and _is_han.match(before or "（") else None
    if not before or not _is_han.match(before) or before in "])":
        return None
    return None if mark == "." and after and not (_is_han.match(after) or after.isspace()) else _full[mark]


def _narrowed(mark: str, after: str) -> str | None:
    if mark not in _half:
        return None
    narrow = _half[mark]
    spaced = narrow not in "()" and after.isalnum()
    return narrow + " " if spaced else narrow
