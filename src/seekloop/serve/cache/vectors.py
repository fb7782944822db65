"""Questions as vectors: hashed pieces of words, so that nothing has to be loaded and no text leaves the process."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seekloop.text import normalize

__all__ = ["Embedder", "HashedPieces", "Vector"]

Vector = NDArray[np.float32]
"""Of length 1, or all 0 for a text without letters."""
_lengths = (2, 3, 4)


class Embedder(Protocol):
    """Turns a question into a vector; the cosine of two says how alike they are."""

    size: int
    """Numbers in a vector."""

    def embed(self, text: str) -> Vector:
        """A unit vector, shape (size,)."""


class HashedPieces:
    """Runs of two to four characters inside words, and whole words, each at a place by its CRC-32.

    Weights are 1 + ln(count), the sign is a bit of the hash, so that meetings at one place cancel out on average
    (Weinberger et al. 2009, feature hashing).

    Args:
        size: numbers in a vector.
    """

    def __init__(self, size: int = 512) -> None:
        self.size = size

    def embed(self, text: str) -> Vector:
        """A unit vector, shape (size,)."""
        vector = np.zeros(self.size, np.float32)
        for piece, count in Counter(_pieces(text)).items():
            place = zlib.crc32(piece.encode())
            vector[(place >> 1) % self.size] += (1 if place & 1 else -1) * (1 + math.log(count))
        norm = float(np.linalg.norm(vector))
        return vector / norm if norm else vector


def _pieces(text: str) -> list[str]:
    found = []
    for word in normalize.key(text).split():
        inside = f"^{word}$"
        found.append(inside)
        found += [inside[at : at + n] for n in _lengths for at in range(len(inside) - n + 1)]
    return found
