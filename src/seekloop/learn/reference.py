"""What everybody else says of such a text: a yardstick that corrections are held against, made of counts.

Naive Bayes over the words and pairs of words of a text (characters and pairs of characters in Chinese), each counted
once a text, with equal priors: McCallum and Nigam (1998), "A comparison of event models for naive Bayes text
classification". Only what occurs in the texts that are to be judged is counted, so memory does not grow with the rows
that are known. What a speaker said themselves can be taken out of the counts, so nobody is a witness for themselves.

A label that known rows have is held against known rows alone: a campaign of many accounts would else be its own
witness. What people say counts for labels that are new.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.text import segment

__all__ = ["Fit", "Reference", "features", "limit_that_holds"]

_smoothing = 0.1
Places = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a label fits a text."""

    rank: int
    """How many labels are likelier, plus one."""
    gap: float
    """By how much the likeliest label is likelier: the difference of the log-likelihoods over the square root of the
    number of features, since of n independent ones the sum spreads as that root does. 0: it is the likeliest."""


class _Counts:
    """Of features by label."""

    def __init__(self, features: int, labels: int) -> None:
        self.table = np.zeros((max(1, features), max(1, labels)))
        self.totals = np.zeros(max(1, labels))

    def add(self, places: Places, label: int, *, times: int = 1) -> None:
        """Count the features of a text, or take them out again."""
        self.table[places, label] += times
        self.totals[label] += times * len(places)


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
            for feature in features(text):
                self._features.setdefault(feature, len(self._features))
        self._known = _Counts(len(self._features), len(labels))
        self._heard = _Counts(len(self._features), len(labels))
        self.rows = 0
        """Texts that were counted."""

    def add(self, text: str, label: str, *, heard: bool = False) -> None:
        """Count one text with its label, which is known to be right or was heard from somebody."""
        (self._heard if heard else self._known).add(self.places(text), self.labels[label])
        self.rows += 1

    def places(self, text: str) -> Places:
        """Numbers of the features of a text that are counted, in rising order."""
        found = {self._features[one] for one in features(text) if one in self._features}
        return np.array(sorted(found), dtype=np.int64)

    def fits(
        self, asked: Sequence[tuple[str, str]], *, without: Sequence[tuple[str, str]], heard: bool = False
    ) -> list[Fit | None]:
        """How each label fits its text; None where nothing that is counted occurs.

        Args:
            asked: text and label of each.
            without: texts and labels that were counted and are to be left out for now.
            heard: whether these were heard from somebody.
        """
        counts = self._heard if heard else self._known
        out = [(self.places(text), self.labels[label]) for text, label in without]
        for places, label in out:
            counts.add(places, label, times=-1)
        found = [self._fit(self.places(text), self.labels[label]) for text, label in asked]
        for places, label in out:
            counts.add(places, label)
        return found

    def _fit(self, places: Places, label: int) -> Fit | None:
        seen, totals = self._known.table[places], self._known.totals
        if not totals[label]:
            seen, totals = seen + self._heard.table[places], totals + self._heard.totals
        # A label that nobody else ever gave says nothing for or against a text.
        if not len(places) or not seen.any() or not totals[label]:
            return None
        likelihood = np.log(seen + _smoothing).sum(axis=0)
        likelihood -= len(places) * np.log(totals + _smoothing * len(self._features))
        likelihood[totals == 0] = -math.inf
        gap = float(likelihood.max() - likelihood[label]) / math.sqrt(len(places))
        return Fit(rank=int((likelihood > likelihood[label]).sum()) + 1, gap=gap)


def limit_that_holds(gaps: Sequence[float], *, tail: float) -> float:
    """The least gap that at most a share `tail` of `gaps` lies beyond."""
    ordered = sorted(gaps)
    return ordered[min(len(ordered) - 1, math.ceil((1 - tail) * len(ordered)) - 1)]


def features(text: str) -> set[str]:
    """Words and pairs of neighbouring words; of Chinese, characters and pairs of them."""
    units = segment.tokens(text)
    return {*units, *(" ".join(pair) for pair in segment.ngrams(units, 2))}
