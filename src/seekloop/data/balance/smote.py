"""SMOTE: new vectors of a rare class between its own, for classifier heads on embeddings. It cannot make text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["WARNING", "Smoted", "smote"]

WARNING = "smote makes vectors for classifier heads on embeddings; it cannot make text, so no row was made by it"
"""What is said where it is asked for among rows."""
_block = 1 << 22


class Smoted(NamedTuple):
    """New vectors, and what each lies between."""

    vectors: NDArray[np.float64]
    """Shape (wanted, d)."""
    between: NDArray[np.int64]
    """Shape (wanted, 2): places of the vector it starts from and of the neighbour it goes towards."""
    steps: NDArray[np.float64]
    """Shape (wanted,): how far it goes, 0 to 1."""


def smote(vectors: NDArray[np.floating], *, wanted: int, seed: int, k: int = 5) -> Smoted:
    """`wanted` new vectors: x + u (y - x), with y one of the k nearest neighbours of x and u uniform on 0 to 1.

    Chawla, Bowyer, Hall, Kegelmeyer (2002), "SMOTE: synthetic minority over-sampling technique". Starting vectors are
    taken in turn, in a drawn order, so that each is used as often as the others.

    Args:
        vectors: one class's, shape (n, d), n > 1.
        wanted: how many to make.
        seed: of the draws.
        k: neighbours; at most n - 1 are used.

    Raises:
        ValueError: fewer than two vectors, or one that is no number.
    """
    points = np.asarray(vectors, dtype=np.float64)
    n = len(points)
    if points.ndim != 2 or n < 2 or not np.isfinite(points).all():
        raise ValueError("two finite vectors at least are needed")
    near = _neighbours(points, k=min(k, n - 1))
    random = np.random.default_rng(seed)
    rounds = [random.permutation(n) for _ in range(-(-wanted // n))]
    start = np.concatenate(rounds)[:wanted] if rounds else np.zeros(0, dtype=np.int64)
    towards = near[start, random.integers(near.shape[1], size=wanted)]
    steps = random.random(wanted)
    made = points[start] + steps[:, None] * (points[towards] - points[start])
    return Smoted(made, np.stack([start, towards], axis=1), steps)


def _neighbours(points: NDArray[np.float64], *, k: int) -> NDArray[np.int64]:
    """The k nearest of each point by Euclidean distance, itself not among them, shape (n, k)."""
    n, squares = len(points), (points**2).sum(axis=1)
    found = []
    size = max(1, _block // n)
    for first in range(0, n, size):
        block = points[first : first + size]
        apart = squares[first : first + size, None] + squares[None, :] - 2 * block @ points.T
        apart[np.arange(len(block)), np.arange(first, first + len(block))] = np.inf
        found.append(np.argsort(apart, axis=1, kind="stable")[:, :k])
    return np.concatenate(found).astype(np.int64)
