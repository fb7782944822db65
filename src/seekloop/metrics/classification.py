"""Precision, recall and F1 of single-label answers, from one confusion matrix, as scikit-learn defines them.

Formulas, for a class with tp true positives, `predicted` answers and `support` expected rows:
precision = tp / predicted, recall = tp / support, F1 = 2 tp / (predicted + support); 0 / 0 is 0 (scikit-learn's
`zero_division=0`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Average", "ClassScores", "accuracy", "class_scores", "confusion", "f1"]

Average = Literal["macro", "micro", "weighted"]


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """How one class was answered."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    """Rows whose right answer is this class."""


def accuracy(expected: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Share of rows answered with the right class; None is never right.

    Raises:
        ValueError: no rows, or two lengths.
    """
    if len(expected) != len(predicted) or not expected:
        raise ValueError(f"{len(expected)} expected and {len(predicted)} predicted")
    return sum(a == b for a, b in zip(expected, predicted, strict=True)) / len(expected)


def confusion(expected: Sequence[str], predicted: Sequence[str | None], *, labels: Sequence[str]) -> NDArray[np.int64]:
    """Counts of shape (L, L + 1): row = expected class, column = answered class, in the order of `labels`.

    The last column counts answers that are no class at all (None, or a word outside `labels`): they are wrong, and
    cost their row recall without costing any class precision.

    Raises:
        ValueError: two lengths, or an expected class that is not in `labels`.
    """
    place = {label: index for index, label in enumerate(labels)}
    unknown = sorted(set(expected) - set(place))
    if unknown or len(expected) != len(predicted):
        raise ValueError(f"{len(expected)} expected, {len(predicted)} predicted, not in labels: {unknown}")
    matrix = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    for right, answer in zip(expected, predicted, strict=True):
        matrix[place[right], len(labels) if answer is None else place.get(answer, len(labels))] += 1
    return matrix


def class_scores(matrix: NDArray[np.int64], *, labels: Sequence[str]) -> list[ClassScores]:
    """Precision, recall, F1 and support of each class of a matrix that `confusion` gave."""
    right, answered, support = _counts(matrix)
    columns = (_share(right, answered), _share(right, support), _f1(right, answered=answered, support=support), support)
    return [
        ClassScores(label=label, precision=float(p), recall=float(r), f1=float(f), support=int(n))
        for label, p, r, f, n in zip(labels, *columns, strict=True)
    ]


def f1(matrix: NDArray[np.int64], *, average: Average) -> float:
    """One F1 over all classes of a matrix that `confusion` gave.

    macro: plain mean over the classes, absent ones counting 0. micro: F1 of the summed counts. weighted: mean weighted
    by support.

    Raises:
        ValueError: the matrix is empty.
    """
    right, answered, support = _counts(matrix)
    if support.sum() == 0:
        raise ValueError("an empty confusion matrix has no F1")
    if average == "micro":
        return float(_f1(right.sum(), answered=answered.sum(), support=support.sum()))
    each = _f1(right, answered=answered, support=support)
    return float(each.mean() if average == "macro" else (each * support).sum() / support.sum())


def _counts(matrix: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    classes = matrix[:, :-1].astype(np.float64)
    return np.diagonal(classes).copy(), classes.sum(axis=0), matrix.sum(axis=1).astype(np.float64)


def _f1(
    right: NDArray[np.float64], *, answered: NDArray[np.float64], support: NDArray[np.float64]
) -> NDArray[np.float64]:
    return _share(2 * right, answered + support)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
