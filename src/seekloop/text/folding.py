"""Keys of many texts at once, as arrays of code points: what duplicates are compared by.

The folded form of a text is its `normalize.key` with traditional characters turned into simplified ones. Nearly all
characters fold alone, so a table says what each becomes; texts with one that does not (a combining mark, an emoji)
are folded one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.text.normalize import key
from seekloop.text.script import simple_forms

__all__ = ["Folded", "fold", "is_wide", "simplifies"]

Codes = NDArray[np.uint32]
_gap, _gone, _mark, _alone = (np.uint8(1 << place) for place in range(4))
"""What a character is: a gap between words, nothing at all, a mark that stays between digits, or one for `key`."""
_by_character = ((0, 0x250), (0x2000, 0x2070), (0x2190, 0x27C0), (0x3000, 0x3100), (0xFF00, 0xFF5F), (0xFFE0, 0xFFE7))
_as_they_are = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xD7A4))
_joined = ((0x3040, 0x3100), *_as_they_are, (0xF900, 0xFB00))
"""Scripts without spaces between words."""
_planes = 0x10000


@dataclass(frozen=True)
class Folded:
    """Folded texts, one behind the other."""

    codes: Codes
    """Code points of all texts."""
    starts: NDArray[np.int64]
    """Where each begins, and where the last one ends; shape (texts + 1,)."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Code points of each text."""
        return np.diff(self.starts)

    def text(self, index: int) -> str:
        """One folded text."""
        return _string(self.codes[self.starts[index] : self.starts[index + 1]])

    def joined(self) -> str:
        """All of them, one behind the other, so that position i is code i."""
        return _string(self.codes)


def fold(texts: Sequence[str]) -> Folded:
    """The folded form of each text."""
    codes, starts = _codes(texts)
    folds, kinds = _table()
    index = np.minimum(codes, _planes - 1)
    kind, rows = kinds[index], np.repeat(np.arange(len(texts)), np.diff(starts))
    slow = np.zeros(len(texts), dtype=bool)
    slow[rows[kind == _alone]] = True
    stays = (kind != _gone) & ~slow[rows]
    codes, kind, rows = folds[index][stays], kind[stays], rows[stays]
    letters = np.flatnonzero(~_is_gap(codes, kind, rows=rows))
    codes, rows, spaced = _spaced(codes, rows, letters=letters)
    lengths = np.bincount(rows, minlength=len(texts)) + np.bincount(rows[spaced], minlength=len(texts))
    slow |= (lengths == 0) & (np.diff(starts) > 0)
    lengths[slow] = 0
    ones = {row: _codes([key(texts[row]).translate(simple_forms())])[0] for row in np.flatnonzero(slow).tolist()}
    for row, one in ones.items():
        lengths[row] = len(one)
    return _assembled(codes, rows, spaced=spaced, lengths=lengths, ones=ones)


def simplifies() -> bool:
    """Whether OpenCC is installed, so that traditional and simplified texts meet."""
    return bool(simple_forms())


def is_wide(codes: Codes) -> NDArray[np.bool_]:
    """Whether characters are of a script whose words are one or two characters: Chinese, Japanese, Korean."""
    wide: NDArray[np.bool_] = (codes >= 0x2E80) & ~((codes >= 0x1F000) & (codes < 0x20000))
    return wide


def _codes(texts: Sequence[str]) -> tuple[Codes, NDArray[np.int64]]:
    starts = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)), out=starts[1:])
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32), starts


def _string(codes: Codes) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def _is_gap(codes: Codes, kind: NDArray[np.uint8], *, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Gaps, and marks such as the point of `1.5` where no digit of the same text stands on both sides."""
    digit = (codes >= 0x30) & (codes <= 0x39)
    gap: NDArray[np.bool_] = kind == _gap
    marks = np.flatnonzero(kind == _mark)
    inner = marks[(marks > 0) & (marks < len(codes) - 1)]
    inner = inner[digit[inner - 1] & digit[inner + 1] & (rows[inner - 1] == rows[inner + 1])]
    gap[marks] = True
    gap[inner] = False
    return gap


def _spaced(
    codes: Codes, rows: NDArray[np.int64], *, letters: NDArray[np.int64]
) -> tuple[Codes, NDArray[np.int64], NDArray[np.bool_]]:
    """The letters, their texts, and whether a space stands before each."""
    codes, rows = codes[letters], rows[letters]
    spaced = np.zeros(len(letters), dtype=bool)
    joined = _in_ranges(codes, _joined)
    spaced[1:] = (np.diff(letters) > 1) & (rows[1:] == rows[:-1]) & ~joined[1:] & ~joined[:-1]
    return codes, rows, spaced


def _assembled(
    codes: Codes,
    rows: NDArray[np.int64],
    *,
    spaced: NDArray[np.bool_],
    lengths: NDArray[np.int64],
    ones: dict[int, Codes],
) -> Folded:
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    whole = np.full(starts[-1], 0x20, dtype=np.uint32)
    if ones:
        mine = ~np.isin(rows, np.fromiter(ones, dtype=np.int64))
        codes, rows, spaced = codes[mine], rows[mine], spaced[mine]
    places = np.arange(len(codes)) + np.cumsum(spaced)  # within the texts folded by table, one behind the other
    before = np.cumsum(np.bincount(list(ones), [len(one) for one in ones.values()], minlength=len(lengths) + 1))
    shift = np.concatenate(([0], before))[:-1].astype(np.int64)
    whole[places + shift[rows]] = codes
    for row, one in ones.items():
        whole[starts[row] : starts[row + 1]] = one
    return Folded(whole, starts)


def _in_ranges(codes: Codes, ranges: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    inside = np.zeros(len(codes), dtype=bool)
    for low, high in ranges:
        inside |= (codes >= low) & (codes < high)
    return inside


@functools.cache
def _table() -> tuple[Codes, NDArray[np.uint8]]:
    """What each character of the first plane becomes, and what it is; the last place stands for all other planes."""
    folds = np.arange(_planes, dtype=np.uint32)
    kinds = np.full(_planes, _alone, dtype=np.uint8)
    for low, high in _as_they_are:
        kinds[low:high] = 0
    for low, high in _by_character:
        for code in range(low, high):
            folds[code], kinds[code] = _told(chr(code))
    for code, simple in simple_forms().items():
        folds[code] = simple
    return folds, kinds


def _told(character: str) -> tuple[int, np.uint8]:
    """What one character becomes and is, told by what `key` makes of it between letters and between digits."""
    letters, digits = key(f"a{character}b"), key(f"1{character}2")
    same = letters[1:-1] == digits[1:-1]
    if letters[0] != "a" or letters[-1] != "b" or digits[0] != "1" or digits[-1] != "2" or len(digits) > 3:
        return ord(character), _alone
    if letters == "a b" and len(digits) == 3:
        return ord(digits[1]), _gap if same else _mark
    if not same or len(letters) > 3:
        return ord(character), _alone
    return (ord(letters[1]), np.uint8(0)) if len(letters) == 3 else (ord(character), _gone)
