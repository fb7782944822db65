"""Whether a text that was made still has the label that it was made for: naive Bayes on runs of characters, calibrated.

It learns from the labelled rows of the data itself. A text is judged by counts that left out the fold of the row it was
made of, so that likeness to that one row proves nothing, and its probabilities are scaled on rows that their judging
counts left out too.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekloop.data.unseen import FOLDS, fold_of
from seekloop.system import seeds
from seekloop.text.normalize import key

__all__ = ["CONFIDENCE", "Example", "LabelHead"]

CONFIDENCE = 0.99
"""A text is refused where it is at least this sure that it has another label."""
_cells = 1 << 24
"""Counts held at most: 64 MB."""
_least = 5
"""Rows of a label without which nothing can be said of it."""
_calibrated = 4_000
"""Rows that the scale is found on at most."""
_smoothing = 0.01
_slopes = np.exp(np.linspace(np.log(1e-3), np.log(10), 81))

Floats = NDArray[np.float64]


class Example(NamedTuple):
    """A row to learn from."""

    id: str
    text: str
    label: str


@dataclass(frozen=True, kw_only=True)
class LabelHead:
    """A classifier on runs of two to four characters: multinomial naive Bayes with equal classes.

    McCallum and Nigam (1998), "A comparison of event models for naive Bayes text classification"; a text's features are
    the runs in it, hashed to one of D places, each counted once. No class is likelier beforehand, so that rare ones are
    not lost. Probabilities are the softmax of the scores times one slope (temperature scaling, Guo et al. 2017).
    """

    labels: tuple[str, ...]
    counts: NDArray[np.float32]
    """Runs by fold, label and place, shape (folds + 1, labels, D); the last is the sum of all folds."""
    sums: NDArray[np.float64]
    """The same by fold and label alone, shape (folds + 1, labels)."""
    rows: NDArray[np.int64]
    """Rows by fold and label, shape (folds, labels)."""
    slope: float = 1.0
    confidence: float = CONFIDENCE

    @classmethod
    def train(
        cls, rows: Callable[[], Iterable[Example]], *, labels: Sequence[str], confidence: float = CONFIDENCE
    ) -> LabelHead:
        """Learn from rows in two passes, one to count and one to calibrate; memory is the counts.

        Args:
            rows: gives the rows, as often as it is called.
            labels: all that they have.
            confidence: from which certainty a text is refused.
        """
        places = 1 << 16
        while places > 1 << 10 and (FOLDS + 1) * places * len(labels) > _cells:
            places >>= 1
        place = {label: number for number, label in enumerate(labels)}
        counts = np.zeros((FOLDS + 1, len(labels), places), dtype=np.float32)
        seen = np.zeros((FOLDS, len(labels)), dtype=np.int64)
        for one in rows():
            fold = fold_of(one.id)
            counts[fold, place[one.label], _features(one.text, places)] += 1
            seen[fold, place[one.label]] += 1
        counts[FOLDS] = counts[:FOLDS].sum(axis=0)
        sums = counts.sum(axis=2, dtype=np.float64)
        plain = cls(labels=tuple(labels), counts=counts, sums=sums, rows=seen, confidence=confidence)
        return replace(plain, slope=plain._best_slope(rows()))

    def label_of(self, text: str) -> str:
        """The likeliest label."""
        return self.labels[int(self._scores(text, None).argmax())]

    def probability(self, text: str, label: str, *, made_of: str) -> float | None:
        """How likely the text has the label, 0 to 1; None: the label has too few rows to say.

        Args:
            text: what was made.
            label: what it was made for.
            made_of: id of the row that it was made of, whose fold does not judge.
        """
        if label not in self.labels:
            return None
        place, fold = self.labels.index(label), fold_of(made_of)
        others = int(self.rows[:, place].sum() - self.rows[fold, place])
        if others < _least:
            return None
        scores = self._scores(text, fold) * self.slope
        return float(1 / np.exp(scores - scores[place]).sum())

    def refuses(self, text: str, label: str, *, made_of: str) -> bool:
        """Whether it is sure that the text has another label."""
        found = self.probability(text, label, made_of=made_of)
        return found is not None and found <= 1 - self.confidence

    def _scores(self, text: str, fold: int | None) -> Floats:
        """Log likelihoods, shape (labels,), by the counts of all folds but one; labels that these lack come last."""
        width = self.counts.shape[2]
        places = _features(text, width)
        counts, whole = self.counts[FOLDS][:, places], self.sums[FOLDS]
        if fold is not None:
            counts, whole = counts - self.counts[fold][:, places], whole - self.sums[fold]
        logs = np.log(counts + _smoothing) - np.log(whole + _smoothing * width)[:, None]
        return np.asarray(np.where(whole > 0, logs.sum(axis=1), -1e6), dtype=np.float64)

    def _best_slope(self, rows: Iterable[Example]) -> float:
        """The slope that makes the labels of rows that are judged unseen the likeliest; 1 where there are none."""
        judged = [found for one in _sample(rows) if (found := self._judged(one)) is not None]
        losses = np.zeros(len(_slopes))
        for scores, place in judged:
            apart = np.clip((scores - scores[place])[None, :] * _slopes[:, None], -700, 700)
            losses += np.log(np.exp(apart).sum(axis=1))
        return float(_slopes[int(losses.argmin())]) if judged else 1.0

    def _judged(self, one: Example) -> tuple[Floats, int] | None:
        place, fold = self.labels.index(one.label), fold_of(one.id)
        if self.rows[:, place].sum() - self.rows[fold, place] < _least:
            return None
        return self._scores(one.text, fold), place


def _sample(rows: Iterable[Example]) -> list[Example]:
    """At most 4,000 of the rows, those with the lowest hashes."""
    return heapq.nsmallest(_calibrated, rows, key=lambda one: (seeds.derive(0, "label check", one.id), one.id))


def _features(text: str, places: int) -> NDArray[np.intp]:
    """Runs of two to four characters of a text's key, where case and punctuation do not count, as places."""
    folded = f" {key(text)} "
    pieces = {folded[i : i + n] for n in (2, 3, 4) for i in range(len(folded) - n + 1)}
    return np.array(sorted({zlib.crc32(piece.encode()) % places for piece in pieces}), dtype=np.intp)
