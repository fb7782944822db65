"""What the trained head sees of a row: hashed character n-grams and the shape of each part; matrices of such rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.text.normalize import tidy

__all__ = ["SHAPES", "WIDTH", "Matrix", "Vector", "hashed", "shape_of"]

_bits = 16
SHAPES = 6
"""Figures of a text's shape."""
WIDTH = (1 << _bits) + 2 * SHAPES
"""Columns: n-grams are hashed to the first 2**16; the shapes of the question and the answer stand behind them."""
_orders = 4
_most = 4_000
_odd = np.uint64(0x9E3779B97F4A7C15)
_mixer = np.uint64(0xBF58476D1CE4E5B9)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Vector:
    """One row's features: the columns that are not zero, shape (m,) and not empty, and their values."""

    columns: NDArray[np.int32]
    values: NDArray[np.float32]


class Matrix:
    """Rows of features, kept one after the other."""

    def __init__(self, vectors: Sequence[Vector], *, width: int) -> None:
        lengths = np.array([len(vector.columns) for vector in vectors], dtype=np.int64)
        self.rows, self.width = len(vectors), width
        self._columns = np.concatenate([vector.columns for vector in vectors])
        self._values = np.concatenate([vector.values for vector in vectors]).astype(np.float64)
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        self._lengths = lengths

    def times(self, weights: Floats) -> Floats:
        """X w: weights of shape (width,) to scores of shape (rows,)."""
        return np.asarray(np.add.reduceat(weights[self._columns] * self._values, self._starts))

    def back(self, errors: Floats) -> Floats:
        """Xᵀ e: errors of shape (rows,) to a gradient of shape (width,)."""
        spread = np.repeat(errors, self._lengths) * self._values
        return np.bincount(self._columns, weights=spread, minlength=self.width).astype(np.float64)


def hashed(question: str, answer: str | None = None) -> Vector:
    """The features of a question, and of its answer where that is judged too.

    Runs of one to four characters are hashed (a multiplicative rolling hash) with log counts; each part is one unit
    long, so that long rows weigh no more than short ones. Long texts are cut at 4,000 characters.
    """
    parts = [_part(question, 0)] + ([] if answer is None else [_part(answer, 1)])
    columns = np.concatenate([columns for columns, _ in parts])
    values = np.concatenate([values for _, values in parts])
    return Vector(columns.astype(np.int32), values.astype(np.float32))


def _part(text: str, which: int) -> tuple[NDArray[np.int64], Floats]:
    text = tidy(text)[:_most].lower()
    codes = np.frombuffer(f"\x02{text}\x03".encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    rolled, found = np.full(len(codes), np.uint64(which + 1)), []
    for order in range(min(_orders, len(codes))):
        rolled = (rolled[: len(codes) - order] ^ codes[order:]) * _odd
        mixed = (rolled ^ (rolled >> np.uint64(29))) * _mixer
        found.append(mixed >> np.uint64(64 - _bits))
    columns, counts = np.unique(np.concatenate(found).astype(np.int64), return_counts=True)
    values = np.log1p(counts)
    shape = shape_of(text)
    at = (1 << _bits) + SHAPES * which
    return (
        np.concatenate([columns, np.arange(at, at + SHAPES)]),
        np.concatenate([values / np.linalg.norm(values), shape]),
    )


def shape_of(text: str) -> Floats:
    """Shape (SHAPES,): length, and shares of distinct characters, letters, digits, marks and blanks; about 0 to 1."""
    n = max(len(text), 1)
    letters, digits = sum(map(str.isalpha, text)), sum(map(str.isdigit, text))
    blanks = sum(map(str.isspace, text))
    shares = (len(set(text)), letters, digits, n - letters - digits - blanks, blanks)
    return np.array([np.log1p(n) / 8, *(share / n for share in shares)])
