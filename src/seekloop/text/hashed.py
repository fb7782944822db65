"""Texts as unit vectors without any model: their hashed shingles, weighed by how rare they are.

A shingle is two characters where Chinese stands and three elsewhere, so texts of any language and mixed ones need no
decision (`shingles`). Hashing with signs keeps the inner products right on average (Weinberger et al. 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from seekloop.text.shingles import prints

__all__ = ["Hashed"]

Vectors = NDArray[np.float32]
_spread = np.uint32(0x9E3779B1)
_at_once = 2_048


@dataclass(frozen=True)
class Hashed:
    """Makes vectors of one width, with the weights of one set of texts."""

    weights: NDArray[np.float32]
    """Inverse document frequency of each place, shape (width,)."""

    @classmethod
    def plain(cls, width: int = 2048) -> Self:
        """All places weigh the same: vectors that depend on no other text."""
        return cls(np.ones(width, dtype=np.float32))

    @classmethod
    def of(cls, texts: Sequence[str], *, width: int = 2048) -> Self:
        """Weights of a set of texts: ln((1 + texts) / (1 + texts that have it)) + 0.05."""
        counts = np.zeros(width)
        for at in range(0, len(texts), _at_once):
            counts += np.count_nonzero(_counts(texts[at : at + _at_once], width), axis=0)
        return cls((np.log((1 + len(texts)) / (1 + counts)) + 0.05).astype(np.float32))

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (texts, width); zeros for a text without a character that counts."""
        parts = [_counts(texts[at : at + _at_once], len(self.weights)) for at in range(0, len(texts), _at_once)]
        rows = np.concatenate(parts) if parts else np.zeros((0, len(self.weights)), dtype=np.float32)
        rows = np.sign(rows) * np.log1p(np.abs(rows)) * self.weights
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
        return unit


def _counts(texts: Sequence[str], width: int) -> Vectors:
    """Signed counts of the shingles at each place, shape (texts, width)."""
    made = prints(texts)
    mixed = made.shingles * _spread
    places = (mixed >> np.uint32(8)) % np.uint32(width)
    signs = np.where(mixed & np.uint32(128), np.float32(1), np.float32(-1))
    owners = np.repeat(np.arange(len(texts)), np.diff(made.starts))
    flat = np.bincount(owners * width + places.astype(np.int64), weights=signs, minlength=len(texts) * width)
    return flat.reshape(len(texts), width).astype(np.float32)
