"""Mojibake: text that was decoded with the wrong encoding, in the forms that reach datasets."""

from __future__ import annotations

import re

__all__ = ["is_garbled"]

_telltale = re.compile(r"锟斤拷|锟斤|斤拷|烫烫烫|屯屯屯|\ufffd")
_latin = re.compile(r"[ÃÂ][\u00a0-\u00bf]|â(?:€.|‚¬|„¢)|ï»¿|[åæçèéä][\u00a0-\u00bf€-™]{2}")
_han = re.compile(r"[\u3400-\u9fff]")
_least = 4
_share = 0.03
_valid = 0.7


def is_garbled(text: str) -> bool:
    """Whether a good part of `text` is mojibake: 锟斤拷, `Ã©`, or UTF-8 read as GB18030 (浣犲ソ).

    A single replacement character in a long text is an accident; one in thirty characters is not.
    """
    marks = sum(len(match[0]) for pattern in (_telltale, _latin) for match in pattern.finditer(text))
    if marks >= max(2, _share * len(text)) or (marks and len(text) <= 1 / _share):
        return True
    return _is_utf8_read_as_gbk(text)


def _is_utf8_read_as_gbk(text: str) -> bool:
    """Whether what is not ASCII, as GB18030 bytes, is UTF-8 for other Chinese characters, which is no chance."""
    foreign = "".join(character for character in text if character > "\x7f")
    if len(_han.findall(foreign)) < _least:
        return False
    read = foreign.encode("gb18030", "ignore").decode("utf-8", "replace")
    return len(_han.findall(read)) > _valid * len(read)
