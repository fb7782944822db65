"""Texts known so far, to find the one that the next is like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from seekloop.text.complete import CompleteIndex
from seekloop.text.shingles import prints

__all__ = ["Like", "Likes"]

_batch = 1_024


@dataclass(frozen=True)
class Like:
    """A known text that is like the one asked about."""

    id: str
    exact: bool
    """Only case, width, punctuation, spacing or script may differ."""


class Likes:
    """Known texts by id.

    Args:
        similarity: what is at least this much alike counts, 0.3 to 1.
    """

    def __init__(self, similarity: float) -> None:
        self._index = CompleteIndex(similarity)
        self._ids: list[str] = []

    def find(self, text: str) -> Like | None:
        """The text with the same key, or else the nearest; None: nothing is alike."""
        pairs = self._index.matches(prints([text]))
        if len(pairs.old) == 0:
            return None
        best = int(np.lexsort((pairs.old, -pairs.similarity, ~pairs.exact))[0])
        return Like(self._ids[int(pairs.old[best])], bool(pairs.exact[best]))

    def add(self, identity: str, text: str) -> None:
        """Know a text from now on."""
        self.extend([(identity, text)])

    def extend(self, texts: Iterable[tuple[str, str]]) -> None:
        """Know several texts, each with its id."""
        waiting = iter(texts)
        while batch := list(islice(waiting, _batch)):
            self._index.add(prints([text for _, text in batch]))
            self._ids += [identity for identity, _ in batch]
