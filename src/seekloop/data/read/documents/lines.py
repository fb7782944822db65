"""Lines of print into running text: words joined that were broken at a line's end, Chinese without a space."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["joined"]

_east_asian = re.compile("[\u2e80-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")
_broken_word = re.compile(r"([^\W\d_]+)[-\u00ad\u2010\u0002\ufffe]$")
_soft = re.compile("[\u00ad\u0002\ufffe]$")


def joined(lines: Sequence[str], *, vocabulary: frozenset[str] = frozenset()) -> str:
    """One paragraph's lines as one line.

    Args:
        lines: as they are printed.
        vocabulary: lower-case words of the whole document, hyphenated ones included: `well-` and `known` become
            `well-known` where the document writes that elsewhere and does not write `wellknown`.
    """
    text = ""
    for line in filter(None, map(str.strip, lines)):
        text = _attached(text, line, vocabulary=vocabulary) if text else line
    return _soft.sub("-", text)


def _attached(text: str, line: str, *, vocabulary: frozenset[str]) -> str:
    broken = _broken_word.search(text)
    word = re.match(r"[^\W\d_]+", line)
    if broken and word and word[0][0].islower():
        whole, with_hyphen = f"{broken[1]}{word[0]}".lower(), f"{broken[1]}-{word[0]}".lower()
        keeps = with_hyphen in vocabulary and whole not in vocabulary and not _soft.search(text)
        return f"{text[:-1]}{'-' if keeps else ''}{line}"
    text = _soft.sub("-", text)
    if re.search(r"\w-$", text) and line[0].isalnum():
        return text + line
    # A line that broke beside a Chinese character or mark had no space there.
    return text + ("" if _east_asian.match(text[-1]) or _east_asian.match(line) else " ") + line
