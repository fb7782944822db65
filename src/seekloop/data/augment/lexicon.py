"""Words that can stand for each other, and sentences that are beside the point: shipped ones and the user's own.

Shipped lists are short and ours. MyThes data (Debian's `mythes-en-us`) is the best English source and is read as it is;
HIT's Cilin, which is licensed for research, is read where a user has installed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path

from seekloop.system.errors import DataError

__all__ = ["Lexicon", "read_groups", "read_lines", "shipped"]

_cilin = re.compile(r"^[A-Z][a-z]\d\d[A-Z]\d\d[=#@]\s")
_letters_at_least, _meanings_at_most = 4, 3
_apart = re.compile(r"[\t,，、|;；]+")


@dataclass(frozen=True)
class Lexicon:
    """Word -> words that can stand for it, lower-case."""

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Iterable[Sequence[str]]) -> Lexicon:
        """From groups whose first word can be replaced by the others; a group of equals is given once for each word."""
        found: dict[str, dict[str, None]] = {}
        for group in groups:
            head, *others = (word.strip().lower() for word in group)
            kept = {word: None for word in others if word and word != head}
            if head and kept:
                found.setdefault(head, {}).update(kept)
        return cls({head: tuple(words) for head, words in found.items()})

    @cached_property
    def longest(self) -> int:
        """Characters of the longest Chinese word that can be replaced."""
        return max((len(word) for word in self.words if not word.isascii()), default=0)


def shipped(name: str) -> list[str]:
    """The lines of a shipped list, without empty ones and comments."""
    text = resources.files("seekloop.data.augment").joinpath("words", name).read_text("utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a user's own list."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("augment.bad_list", path=path, problem=error) from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def read_groups(path: Path) -> Iterator[list[str]]:
    """The groups of a list of synonyms, its form told by its first lines.

    MyThes: `word|2`, then a line a meaning, `(noun)|other|another (generic term)`; see `_mythes`. Cilin:
    `Aa01A01= word word`; only `=`, equal words, are taken. Others: words of a line parted by commas, bars or tabs, or
    else by blanks; every word of a line can stand for every other.

    Raises:
        DataError: it cannot be read.
    """
    lines = read_lines(path)
    if len(lines) > 1 and re.fullmatch(r".+\|\d+", lines[1]):
        return _mythes(lines[1:])
    return _equal(lines)


def _mythes(lines: Sequence[str]) -> Iterator[list[str]]:
    """Groups of MyThes data that can be trusted without knowing the sentence.

    Its first meaning of `can` is a tin and of `me` a state: function words, words of several parts of speech or many
    meanings, and forms of other words (`cards`) are left out, and so is a word that does not name the head in turn.
    """
    first, unsure = _meanings(lines)
    unsure.update(word for line in shipped("function.txt") for word in line.split())
    for head, words in first.items():
        if len(head) < _letters_at_least or head in unsure or any(stem in first for stem in _stems(head)):
            continue
        mutual = [word for word in words if head in first.get(word, ())]
        if mutual:
            yield [head, *mutual]


def _meanings(lines: Sequence[str]) -> tuple[dict[str, list[str]], set[str]]:
    """The words of each head's first meaning, those marked `(generic term)` and the like left out; unsure heads."""
    first: dict[str, list[str]] = {}
    unsure: set[str] = set()
    place = 0
    while place < len(lines):
        name, _, count = lines[place].rpartition("|")
        meanings = lines[place + 1 : place + 1 + int(count)]
        head = name.lower()
        kinds = {meaning.partition("|")[0] for meaning in meanings}
        if len(kinds) > 1 or len(meanings) > _meanings_at_most or not name.islower():
            unsure.add(head)
        for meaning in meanings[:1]:
            first[head] = [word.lower() for word in meaning.split("|")[1:] if "(" not in word]
        place += 1 + int(count)
    return first, unsure


def _stems(word: str) -> Iterator[str]:
    """What `word` may be a form of: `getting` -> `gett`, `get`, `gette`."""
    for end in ("ing", "ed", "es", "s"):
        stem = word.removesuffix(end)
        if stem != word and stem:
            yield from (stem, stem[:-1] if stem[-1] == stem[-2:-1] else stem, f"{stem}e")


def _equal(lines: Iterable[str]) -> Iterator[list[str]]:
    for line in lines:
        if _cilin.match(line):
            if line[7] != "=":
                continue
            words = line[9:].split()
        else:
            words = [part.strip() for part in _apart.split(line)]
            words = words if len(words) > 1 else line.split()
        for place, word in enumerate(words):
            yield [word, *words[:place], *words[place + 1 :]]
