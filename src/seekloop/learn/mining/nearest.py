"""How near each message of a window is to what is known, and what its nearest known messages are labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.learn.mining.seen import Seen
from seekloop.system import digests
from seekloop.text.hashed import Hashed

__all__ = ["NEIGHBOURS", "Nearest", "Space", "chosen", "nearest", "top_mean"]

Floats = NDArray[np.float32]
NEIGHBOURS = 5
_block = 256
_most = 10_000
"""Known rows that are held as vectors; of more, so many are chosen by digest."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """Messages of both sides as unit vectors in one space."""

    window: Floats
    """Shape (messages, width)."""
    known: Floats
    """Shape (rows, width)."""
    rows: Sequence[Seen]
    """The known rows that are in it."""

    @classmethod
    def of(cls, window: Sequence[Seen], known: Sequence[Seen], *, vectors: object = None) -> Space:
        """Hashed shingles, weighed by how rare they are among both; `vectors` makes other ones of texts."""
        rows = chosen(known, _most)
        texts = [one.text for one in window], [one.text for one in rows]
        if callable(vectors):
            return cls(window=vectors(texts[0]), known=vectors(texts[1]), rows=rows)
        hashed = Hashed.of([*texts[0], *texts[1]])
        return cls(window=hashed.vectors(texts[0]), known=hashed.vectors(texts[1]), rows=rows)


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Of each message of a window."""

    nearness: Floats
    """Mean cosine to its five nearest known messages, shape (messages,)."""
    disagreement: Floats | None
    """Share of the nearest ones, weighed by cosine, whose label is not the one that was answered; None: no labels."""


def nearest(space: Space, window: Sequence[Seen]) -> Nearest:
    """Compare each message with all known rows, a block at a time."""
    nearness = np.zeros(len(window), dtype=np.float32)
    labelled = any(one.label is not None for one in window) and any(one.label is not None for one in space.rows)
    against = np.zeros(len(window), dtype=np.float32) if labelled else None
    if not len(space.rows):
        return Nearest(nearness=nearness, disagreement=against)
    labels = np.array([one.label or "" for one in space.rows], dtype=object)
    for at in range(0, len(window), _block):
        cosines = space.window[at : at + _block] @ space.known.T
        places = np.argpartition(-cosines, min(NEIGHBOURS, cosines.shape[1]) - 1, axis=1)[:, :NEIGHBOURS]
        near = np.take_along_axis(cosines, places, axis=1)
        nearness[at : at + _block] = near.mean(axis=1)
        if against is not None:
            answered = np.array([one.label or "" for one in window[at : at + _block]], dtype=object)
            weights = np.maximum(near, 1e-6)
            other = (labels[places] != answered[:, None]) * weights
            against[at : at + _block] = other.sum(axis=1) / weights.sum(axis=1)
    return Nearest(nearness=nearness, disagreement=against)


def top_mean(rows: Floats, others: Floats, *, itself: NDArray[np.int64] | None = None) -> Floats:
    """Mean cosine of each row to its five nearest of `others`, shape (rows,); fewer where there are fewer.

    Args:
        rows: unit vectors.
        others: unit vectors.
        itself: place of each row among `others`, which is left out; -1: it is not there.
    """
    found = np.zeros(len(rows), dtype=np.float32)
    for at in range(0, len(rows), _block):
        cosines = rows[at : at + _block] @ others.T
        if itself is not None:
            own = itself[at : at + _block]
            here = np.flatnonzero(own >= 0)
            cosines[here, own[here]] = -1.0
        count = min(NEIGHBOURS, cosines.shape[1])
        top = -np.partition(-cosines, count - 1, axis=1)[:, :count]
        found[at : at + _block] = np.where(top > -1.0, top, 0.0).sum(axis=1) / np.maximum((top > -1.0).sum(axis=1), 1)
    return found


def chosen(side: Sequence[Seen], count: int) -> Sequence[Seen]:
    """At most so many, chosen by digest, so that they depend on no order."""
    return side if len(side) <= count else sorted(side, key=lambda one: digests.of_json(["mining", one.id]))[:count]
