"""Lists of words that names are told by: counts of public lists, and a list of our own for each purpose."""

from __future__ import annotations

import functools
from importlib import resources

__all__ = ["lines", "ours"]


def lines(name: str) -> list[str]:
    """The lines of a file of the lexicon; `lexicon/SOURCES.md` says where each comes from."""
    return resources.files("seekloop.text.pii").joinpath("lexicon").joinpath(name).read_text("utf-8").splitlines()


def ours(name: str) -> frozenset[str]:
    """One of our own lists, such as `zh_stops`: words that are in no organisation's name."""
    return _lists()[name]


@functools.cache
def _lists() -> dict[str, frozenset[str]]:
    pairs = (line.split("=", 1) for line in lines("ours.txt"))
    return {name: frozenset(words.split(",")) for name, words in pairs}
