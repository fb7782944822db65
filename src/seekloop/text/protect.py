"""The do-not-touch mask: what no level of normalising may change, because a character more or less makes it another.

Protected are code (fenced or inline), JSON, URLs, e-mail addresses, tags, masks such as `[PHONE]`, placeholders such as
`{{Order Number}}`, codes of letters and digits, long numbers, and whatever patterns the user gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

__all__ = ["CODE", "Edit", "Patterns", "outside", "rewrite", "spans"]

Patterns = Sequence[re.Pattern[str]]
Edit = Callable[[re.Match[str]], str | None]
"""What a match becomes; None: it stays."""

CODE = re.compile(r"```[\s\S]*?(?:```|\Z)|~~~[\s\S]*?(?:~~~|\Z)|`[^`\n]+`")
"""Code in a text: between fences, or inline."""
_measured = (
    r"\d+(?:[.:]\d+)*(?:k|m|bn|am|pm|kg|g|mg|ml|l|cm|mm|km|h|hrs?|mins?|s|st|nd|rd|th|x|d|gb|mb|tb|mah|w|kw|v"
    r"|usd|eur|rmb|cny)"
)
_code = r"(?<![0-9A-Za-z])(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[0-9A-Za-z]+(?:[-_][0-9A-Za-z]+)*(?![0-9A-Za-z])"
_date = r"(?:19|20)\d\d-\d\d?-\d\d?(?!\d)"
_fixed = re.compile(
    "|".join(
        (
            CODE.pattern,
            r"(?:[A-Za-z][A-Za-z0-9+.-]{1,20}://|www\.)[^\s<>\"'`，。；：！？、（）【】《》“”‘’\u4e00-\u9fff]+",
            r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
            r"\[[A-Z][A-Z0-9_]*\]|\{\{[^{}\n]{1,80}\}\}|\$\{[^{}\n]{1,80}\}|</?[A-Za-z][^<>\n]{0,200}>",
            rf"(?!(?i:{_measured})(?![0-9A-Za-z_-])){_code}",
            r"(?<![\d.,])\+\d[\d ()-]{5,18}\d(?!\d)",
            rf"(?<![\d.,:/-])(?!{_date})\d(?:[ -]?\d){{6,24}}(?![\d:/]|[.,]\d)|(?<![\d.,])0\d{{3,}}(?!\d)",
        )
    )
)
_json_start = re.compile(r"[\[{]\s*[\"{\[]")
_decoder = json.JSONDecoder()


def spans(text: str, *, keep: Patterns = (), fixed: re.Pattern[str] | None = None) -> list[tuple[int, int]]:
    """Where nothing may be changed: (start, end) pairs in order, without overlaps.

    `fixed` narrows the mask to one pattern beside `keep`, such as `CODE`.
    """
    patterns = (*keep, fixed or _fixed)
    found = [match.span() for pattern in patterns for match in pattern.finditer(text) if match.end() > match.start()]
    found += _json(text) if fixed is None else []
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def rewrite(text: str, pattern: re.Pattern[str], *, edit: Edit, keep: Patterns = ()) -> tuple[str, int]:
    """`text` with every match that lies outside the mask edited, and how many were changed."""
    if not pattern.search(text):
        return text, 0
    held, count = spans(text, keep=keep), 0

    def changed(match: re.Match[str]) -> str:
        nonlocal count
        if any(start < match.end() and match.start() < end for start, end in held):
            return match[0]
        new = edit(match)
        if new is None or new == match[0]:
            return match[0]
        count += 1
        return new

    return pattern.sub(changed, text), count


def outside(text: str, change: Callable[[str], str], *, held: Sequence[tuple[int, int]]) -> str:
    """`text` with `change` applied to each piece between the spans `held`."""
    pieces, at = list[str](), 0
    for start, end in held:
        pieces += [change(text[at:start]) if at < start else "", text[start:end]]
        at = end
    return "".join((*pieces, change(text[at:]) if at < len(text) else ""))


def _json(text: str) -> list[tuple[int, int]]:
    """Objects and lists of JSON that stand in the text."""
    found: list[tuple[int, int]] = []
    for match in _json_start.finditer(text):
        if found and match.start() < found[-1][1]:
            continue
        try:
            _, end = _decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        found.append((match.start(), end))
    return found
