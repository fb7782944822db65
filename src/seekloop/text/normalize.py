"""One written form for text, without changing what it says, and a key under which duplicates meet.

`normalize` is for text that is kept: it only undoes accidents of input and transport. `key` is for comparison: it also
forgets case, punctuation and spacing. Both are idempotent and work inside Chinese sentences.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["compose", "key", "normalize", "scrub", "tidy"]

_wide = {0x3000: " "} | {0xFF01 + i: chr(0x21 + i) for i in range(94) if chr(0x21 + i).isalnum()}
_narrow_marks = {"：": ":", "．": ".", "－": "-", "／": "/", "＠": "@", "＿": "_", "＋": "+"}
_between_ascii = re.compile(rf"(?<=[0-9A-Za-z])[{''.join(_narrow_marks)}](?=[0-9A-Za-z])")
# A comma between half-width digits may part two numbers; only a number typed in full width is surely grouped by it.
_grouping = re.compile("(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
_spaces = dict.fromkeys((0x00A0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F), " ")
# Zero-width marks and direction overrides go; the joiners U+200C and U+200D stay: emoji and some scripts need them.
_unseen = dict.fromkeys((0x00AD, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF))
_directions = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x206A)))
_controls = dict.fromkeys([*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0)])
_table = {**_wide, **_spaces, **_unseen, **_directions, **_controls, 0x2028: "\n", 0x2029: "\n\n"}
_surrogate = re.compile("[\ud800-\udfff]")
_line_end = re.compile(r"[ \t]+(?=\n)")
_blank_lines = re.compile(r"\n{3,}")
_runs = re.compile(r"[ \t]{2,}|\t")
_quiet = re.compile(
    r"(?<![0-9])[.,:/-]|[.,:/-](?![0-9])|[\s_;!?'\"()\[\]{}`~…·、。，；：！？“”‘’„«»（）【】《》〈〉「」『』—–―～﹏]+"
)


def scrub(text: str) -> str:
    """`text` that can be encoded: a lone surrogate, which JSON escapes let through, becomes U+FFFD."""
    return _surrogate.sub("\ufffd", text)


def normalize(text: str) -> str:
    """`text` in composed form, with half-width letters and digits and no stray spaces or unseen characters.

    Full-width punctuation stays, as Chinese writes it, except between two half-width letters or digits (`12：30`).
    Superscripts, fractions and circled numbers stay too: full NFKC would turn `x²` into `x2`. Indentation and the inner
    spacing of texts of several lines stay, since they may be code or a table.
    """
    return tidy(compose(text))


def compose(text: str) -> str:
    """The part of `normalize` that looks at characters: composed, half-width, one kind of space and of line end."""
    text = scrub(text).replace("\r\n", "\n").replace("\r", "\n")
    text = _grouping.sub(",", text).translate(_table)
    return _between_ascii.sub(lambda match: _narrow_marks[match[0]], unicodedata.normalize("NFC", text))


def tidy(text: str) -> str:
    """The part of `normalize` that looks at spaces: none at the ends, no runs of them, at most one blank line."""
    text = _blank_lines.sub("\n\n", _line_end.sub("", text)).strip("\n").rstrip()
    return text if "\n" in text else _runs.sub(" ", text).strip()


def key(text: str) -> str:
    """The form under which two texts count as the same: no case, width, punctuation or spacing.

    Words stay apart by one space, but not where a Chinese, Japanese or Korean character touches the gap. Marks inside
    a number (`1.5`, `10:30`) stay, and so do symbols that carry meaning (`%`, `+`, `#`, `@`, emoji).

    Returns:
        The key; for a text of nothing but punctuation, that punctuation in NFKC form.
    """
    folded = unicodedata.normalize("NFKC", normalize(text)).casefold()
    folded = unicodedata.normalize("NFKC", folded).replace("'", "").replace("’", "")
    words = " ".join(_quiet.sub(" ", folded).split())
    return _gap_beside_cjk.sub("", words) or "".join(folded.split())


_cjk = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_gap_beside_cjk = re.compile(rf"(?<=[{_cjk}]) | (?=[{_cjk}])")
