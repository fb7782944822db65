"""Precision, recall and F1 where a row may have several labels, or labels that are paths; one label is a set of one.

For all of them a row gives three counts: labels shared, answered and expected. micro adds the counts up over rows,
`samples` takes the F1 of each row; macro and weighted go class by class over the classes that are expected, so that a
word that is no class costs its row recall, and micro precision, but makes no class of its own. 0 / 0 is 0. With these
choices of `labels` they are scikit-learn's `precision_recall_fscore_support(..., zero_division=0)`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.significance import Statistic
from seekloop.metrics.sums import Sums, class_mean

__all__ = ["FIGURES", "Averaged", "ClassTable", "label_counts", "of_counts", "with_ancestors"]

Averaged = Literal["precision", "recall", "f1"]
FIGURES: tuple[Averaged, ...] = ("precision", "recall", "f1")
Floats = NDArray[np.float64]


def label_counts(expected: Collection[str], answered: Collection[str]) -> tuple[int, int, int]:
    """Labels shared, answered and expected of one row."""
    wanted, given = set(expected), set(answered)
    return len(wanted & given), len(given), len(wanted)


def with_ancestors(labels: Iterable[str]) -> set[str]:
    """The labels and the classes above them: `card/lost` -> `card/lost`, `card`.

    Counts of such sets give hierarchical precision and recall: Kiritchenko et al. (2006), "Learning and evaluation in
    the presence of class hierarchies". An answer in the right branch is right in part.
    """
    found: set[str] = set()
    for label in labels:
        parts = label.split("/")
        found |= {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return found


def of_counts(counts: Floats, figure: Averaged) -> Floats:
    """The figure of counts of shape (..., 3): of a row, or of a weighted sum of rows (micro)."""
    shared, answered, expected = counts[..., 0], counts[..., 1], counts[..., 2]
    if figure == "f1":
        return _share(2 * shared, answered + expected)
    return _share(shared, answered if figure == "precision" else expected)


class ClassTable:
    """Which row was expected to have, and was answered with, which of the classes that are expected at all.

    Rows that are alike are one line of the tables: there are as many lines as pairs of labels, not as rows.

    Args:
        expected: the labels of each row.
        answered: the labels of each answer; others than those expected somewhere are left out here.
    """

    def __init__(self, expected: Sequence[Collection[str]], answered: Sequence[Collection[str]]) -> None:
        if len(expected) != len(answered):
            raise ValueError(f"{len(expected)} expected and {len(answered)} answered")
        self.rows = len(expected)
        self.labels = sorted(set().union(*map(set, expected)))
        places = {label: at for at, label in enumerate(self.labels)}
        kinds: dict[tuple[frozenset[int], frozenset[int]], int] = {}
        kind_of = np.zeros(self.rows, dtype=np.int64)
        for row, pair in enumerate(zip(expected, answered, strict=True)):
            wanted, given = (frozenset(places[label] for label in some if label in places) for some in pair)
            kind_of[row] = kinds.setdefault((wanted, given), len(kinds))
        self._kind_of = kind_of
        self._order = np.argsort(kind_of, kind="stable")
        self._starts = np.searchsorted(kind_of[self._order], np.arange(len(kinds)))
        self._expected = _table([wanted for wanted, _ in kinds], len(places))
        self._answered = _table([given for _, given in kinds], len(places))
        self._shared = self._expected * self._answered

    def statistic(self, figure: Averaged, *, average: Literal["macro", "weighted"]) -> Statistic:
        """The average over the classes that are expected in rows of weight above 0, plain or by their support."""

        def value(weights: Floats) -> Floats:
            counts = self._counts(weights)
            support = counts[..., 2]
            share = (support > 0).astype(np.float64) if average == "macro" else support
            return _share((of_counts(counts, figure) * share).sum(axis=-1), share.sum(axis=-1))

        return value

    def sums(self, figure: Averaged, *, average: Literal["macro", "weighted"]) -> Sums:
        """The same average as sums over rows, so that it can be paired, grouped and studentised."""
        shared, answered, expected = (table[self._kind_of] for table in (self._shared, self._answered, self._expected))
        return class_mean(shared, answered, expected=expected, figure=figure, average=average)

    def counts(self) -> NDArray[np.int64]:
        """Rows shared, answered and expected of each class, shape (classes, 3)."""
        return np.asarray(self._counts(np.ones((1, self.rows)))[0], dtype=np.int64)

    def _counts(self, weights: Floats) -> Floats:
        """Weighted rows shared, answered and expected, shape (resamples, classes, 3)."""
        kinds = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
        return np.stack([kinds @ table for table in (self._shared, self._answered, self._expected)], axis=-1)


def _table(rows: Sequence[Collection[int]], width: int) -> Floats:
    table = np.zeros((len(rows), width))
    for at, places in enumerate(rows):
        table[at, list(places)] = 1
    return table


def _share(part: Floats, whole: Floats) -> Floats:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)
