"""What everybody else says of such a text: a yardstick that corrections are held against, made of counts.

Naive Bayes over the words and pairs of words of a text (characters and pairs of characters in Chinese), each counted
once a text, with equal priors: McCallum and Nigam (1998), "A comparison of event models for naive Bayes text
classification". Only what occurs in the texts that are to be judged is counted, so memory does not grow with the rows
that are known. What a speaker said themselves can be taken out of the counts, so nobody is a witness for themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from seekloop.text import segment

__all__ = ["Reference", "rank_that_holds"]

_smoothing = 0.1
Places = NDArray[np.int64]


class Reference:
    """Counts of features by label.

    Args:
        texts: those that are to be judged; what does not occur in them is not counted.
        labels: every label that a text may have.
    """

    def __init__(self, texts: Iterable[str], *, labels: Sequence[str]) -> None:
        self.labels = {label: at for at, label in enumerate(labels)}
        self._features: dict[str, int] = {}
        for text in texts:
            for feature in _features(text):
                self._features.setdefault(feature, len(self._features))
        size = (max(1, len(self._features)), max(1, len(labels)))
        self._counts = np.zeros(size)
        self._own = np.zeros(size)
        self._totals = np.zeros(size[1])
        self.rows = 0
        """Texts that were counted."""

    def add(self, text: str, label: str) -> None:
        """Count one text that is known to have a label."""
        places = self.places(text)
        self._counts[places, self.labels[label]] += 1
        self._totals[self.labels[label]] += len(places)
        self.rows += 1

    def places(self, text: str) -> Places:
        """Numbers of the features of a text that are counted, in rising order."""
        found = {self._features[one] for one in _features(text) if one in self._features}
        return np.array(sorted(found), dtype=np.int64)

    def ranks(self, asked: Sequence[tuple[str, str]], *, without: Sequence[tuple[str, str]]) -> list[int | None]:
        """How many labels are likelier than the given one, plus one; None where nothing that is counted occurs.

        Args:
            asked: text and label of each.
            without: texts and labels that were counted and are to be left out for now.
        """
        own = np.zeros_like(self._totals)
        for text, label in without:
            places = self.places(text)
            self._own[places, self.labels[label]] += 1
            own[self.labels[label]] += len(places)
        totals = self._totals - own
        found = [self._rank(self.places(text), self.labels[label], totals=totals) for text, label in asked]
        for text, label in without:
            self._own[self.places(text), self.labels[label]] -= 1
        return found

    def _rank(self, places: Places, label: int, *, totals: NDArray[np.float64]) -> int | None:
        seen = self._counts[places] - self._own[places]
        if not len(places) or not seen.any():
            return None
        likelihood = np.log(seen + _smoothing).sum(axis=0)
        likelihood -= len(places) * np.log(totals + _smoothing * len(self._features))
        # A label that nobody else ever gave says nothing for or against a text.
        likelihood[totals == 0] = -math.inf
        if totals[label] == 0:
            return None
        return int((likelihood > likelihood[label]).sum()) + 1


def rank_that_holds(ranks: Sequence[int], *, tail: float) -> int:
    """The least rank that at most a share `tail` of `ranks` lies beyond."""
    ordered = sorted(ranks)
    return ordered[min(len(ordered) - 1, math.ceil((1 - tail) * len(ordered)) - 1)]


def _features(text: str) -> set[str]:
    units = segment.tokens(text)
    return {*units, *(" ".join(pair) for pair in segment.ngrams(units, 2))}
