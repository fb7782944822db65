"""Traditional and simplified Chinese, through OpenCC (Apache-2.0), which comes with the extra `data`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from seekloop.system import lazy
from seekloop.system.errors import MissingPackage

__all__ = ["Region", "simple_forms", "simplified", "traditional"]

Region = Literal["standard", "taiwan", "hong_kong"]
"""Whose traditional characters: OpenCC's own standard, Taiwan's or Hong Kong's."""

_ideographs = ((0x3400, 0x4DC0), (0x4E00, 0xA000))
_planes = 0x10000
_to_simplified = {"standard": "t2s", "taiwan": "tw2s", "hong_kong": "hk2s"}
_to_traditional = {"standard": "s2t", "taiwan": "s2tw", "hong_kong": "s2hk"}
_with_words = {"tw2s": "tw2sp", "s2tw": "s2twp"}


def simplified(text: str, *, region: Region = "standard", words: bool = False) -> str:
    """`text` in simplified characters: `應繳電費` becomes `应缴电费`.

    Args:
        text: any text; what is not Chinese stays.
        region: where the traditional text comes from.
        words: for Taiwan, words too: `軟體` becomes `软件`, not `软体`.

    Raises:
        MissingPackage: OpenCC is not installed.
    """
    return _convert(text, _chosen(_to_simplified[region], words))


def traditional(text: str, *, region: Region = "standard", words: bool = False) -> str:
    """`text` in traditional characters of a region; `words` as for `simplified`.

    Raises:
        MissingPackage: OpenCC is not installed.
    """
    return _convert(text, _chosen(_to_traditional[region], words))


@cache
def simple_forms() -> Mapping[int, int]:
    """Each traditional character with a simplified form of its own, by code point; empty where OpenCC is not installed.

    What compares texts goes by single characters, so that one is never turned by its neighbours; what people read goes
    through `simplified`, which knows words.
    """
    try:
        converter = _converter("t2s")
    except MissingPackage:
        return {}
    characters = [chr(code) for low, high in _ideographs for code in range(low, high)]
    forms = str(converter.convert("\n".join(characters))).split("\n")
    pairs = zip(characters, forms, strict=True)
    return {ord(old): ord(new) for old, new in pairs if old != new and len(new) == 1 and ord(new) < _planes}


def _chosen(table: str, words: bool) -> str:
    return _with_words.get(table, table) if words else table


def _convert(text: str, table: str) -> str:
    return text if text.isascii() else str(_converter(table).convert(text))


@cache
def _converter(table: str) -> Any:
    return lazy.need("opencc", extra="data").OpenCC(table)
