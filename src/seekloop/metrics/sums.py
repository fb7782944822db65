"""Statistics that depend on rows only through sums over them: means, shares, macro-F1, BLEU and other ratios.

Such a statistic is resampled by adding up rows again, is cut into groups by adding up each group's rows first, and has
a gradient, so that every resample can say how sure it is itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassFigure", "Sums", "bleu", "class_mean", "macro_f1", "mean", "of_counts"]

Array = NDArray[np.float64]
Table = NDArray[np.float64] | NDArray[np.bool_]
ClassFigure = Literal["precision", "recall", "f1"]
Function = Callable[[Array], Array]


@dataclass(frozen=True, kw_only=True)
class Sums:
    """A statistic of n units (rows, or groups of rows)."""

    parts: Array
    """What each unit adds, shape (n, k)."""
    value: Function
    """Sums of shape (..., k) -> the statistic, shape (...)."""
    gradient: Function
    """Sums of shape (..., k) -> the statistic's derivatives by each sum, shape (..., k)."""

    def __post_init__(self) -> None:
        """Refuse what no statistic can be made of.

        Raises:
            ValueError: no units, or a part that is no number.
        """
        if self.parts.ndim != 2 or not len(self.parts) or not np.isfinite(self.parts).all():
            raise ValueError(f"parts of shape {self.parts.shape}, or one that is not a number")

    @property
    def n(self) -> int:
        """Units."""
        return len(self.parts)

    @property
    def observed(self) -> float:
        """The statistic of the units as they are."""
        return float(self.value(self.parts.sum(axis=0)))

    def by(self, groups: Sequence[Hashable]) -> Sums:
        """The same statistic with whole groups as its units; `groups` names the group of each unit.

        Raises:
            ValueError: not one name a unit.
        """
        place = {name: index for index, name in enumerate(dict.fromkeys(groups))}
        parts = np.zeros((len(place), self.parts.shape[1]))
        np.add.at(parts, [place[name] for name in groups], self.parts)
        return Sums(parts=parts, value=self.value, gradient=self.gradient)

    def minus(self, other: Sums) -> Sums:
        """The difference of two statistics of the same units.

        Raises:
            ValueError: other units.
        """
        k = self.parts.shape[1]
        return Sums(
            parts=np.concatenate([self.parts, other.parts], axis=1),
            value=lambda sums: self.value(sums[..., :k]) - other.value(sums[..., k:]),
            gradient=lambda sums: np.concatenate(
                [self.gradient(sums[..., :k]), -other.gradient(sums[..., k:])], axis=-1
            ),
        )


def mean(values: Sequence[float] | Array) -> Sums:
    """The mean of `values`, one a unit; of truth values it is a share. Groups weigh by their rows."""
    column = np.asarray(values, dtype=np.float64)

    def value(sums: Array) -> Array:
        return np.asarray(sums[..., 0] / sums[..., 1])

    def gradient(sums: Array) -> Array:
        return np.stack([1 / sums[..., 1], -sums[..., 0] / sums[..., 1] ** 2], axis=-1)

    return Sums(parts=np.stack([column, np.ones_like(column)], axis=1), value=value, gradient=gradient)


def macro_f1(expected: Sequence[str], predicted: Sequence[str | None]) -> Sums:
    """Mean F1 over the classes that are expected, as in `classification`."""
    labels = sorted(set(expected))
    right, answered = (np.array([[one == label for label in labels] for one in rows]) for rows in (expected, predicted))
    return class_mean(right & answered, answered, expected=right, figure="f1", average="macro")


def class_mean(
    shared: Table, answered: Table, *, expected: Table, figure: ClassFigure, average: Literal["macro", "weighted"]
) -> Sums:
    """Precision, recall or F1 averaged over the classes that are expected, plainly or by their rows; 0 / 0 is 0.

    Args:
        shared: whether each row was expected to have, and was answered with, each class; shape (n, L).
        answered: whether it was answered with it; the same shape.
        expected: whether it was expected to have it; the same shape.
        figure: of each class.
        average: over the classes.
    """
    k = shared.shape[1]

    def split(sums: Array) -> tuple[Array, Array, Array, Array]:
        hits, given, wanted = (sums[..., at * k : (at + 1) * k] for at in range(3))
        share = (wanted > 0).astype(np.float64) if average == "macro" else wanted
        return hits, given, wanted, share / np.maximum(share.sum(axis=-1, keepdims=True), 1e-300)

    def of_classes(hits: Array, given: Array, *, wanted: Array) -> tuple[Array, Array]:
        top = 2 * hits if figure == "f1" else hits
        whole = given + wanted if figure == "f1" else given if figure == "precision" else wanted
        return top, np.where(whole > 0, whole, 1.0)

    def value(sums: Array) -> Array:
        hits, given, wanted, share = split(sums)
        top, whole = of_classes(hits, given, wanted=wanted)
        return np.asarray((top / whole * share).sum(axis=-1))

    def gradient(sums: Array) -> Array:
        hits, given, wanted, share = split(sums)
        top, whole = of_classes(hits, given, wanted=wanted)
        by_whole = -top / whole**2 * share
        by_hit = (2 if figure == "f1" else 1) / whole * share
        by_given = by_whole if figure != "recall" else np.zeros_like(by_whole)
        by_wanted = by_whole if figure != "precision" else np.zeros_like(by_whole)
        if average == "weighted":
            drift = top / whole - value(sums)[..., None]
            by_wanted = by_wanted + drift / np.maximum(wanted.sum(axis=-1, keepdims=True), 1e-300)
        return np.concatenate([by_hit, by_given, by_wanted], axis=-1)

    parts = np.concatenate([shared, answered, expected], axis=1).astype(np.float64)
    return Sums(parts=parts, value=value, gradient=gradient)


def of_counts(counts: Array, value: Function) -> Sums:
    """Any statistic of summed counts, its gradient taken by small steps.

    Args:
        counts: what each unit adds, shape (n, k).
        value: sums of shape (..., k) -> the statistic, shape (...).
    """

    def gradient(sums: Array) -> Array:
        # A count of 0 is 0 in every row that was drawn, so nothing depends on its derivative; and below 0 is no count.
        steps = 1e-5 * np.abs(sums)
        found = np.empty_like(sums)
        for at in range(sums.shape[-1]):
            step = np.zeros_like(sums)
            step[..., at] = steps[..., at]
            rise = np.asarray(value(sums + step) - value(sums - step))
            found[..., at] = np.divide(rise, 2 * steps[..., at], out=np.zeros_like(rise), where=steps[..., at] > 0)
        return found

    return Sums(parts=np.asarray(counts, dtype=np.float64), value=value, gradient=gradient)


def bleu(counts: Array) -> Sums:
    """Corpus BLEU (Papineni et al. 2002), 0 to 1, from what each answer adds.

    exp(mean of log(matched / counted) over the four orders + min(0, 1 - reference / length)); an order without a match
    counts as half of one.

    Args:
        counts: shape (n, 9): matched n-grams of orders 1 to 4, counted n-grams of orders 1 to 4 (the first is the
            answer's length), the reference's length.
    """

    def split(sums: Array) -> tuple[Array, Array, Array, Array]:
        matched, counted = np.maximum(sums[..., :4], 0.5), np.maximum(sums[..., 4:8], 1)
        return matched, counted, counted[..., :1], sums[..., 8:]

    def value(sums: Array) -> Array:
        matched, counted, length, reference = split(sums)
        precision = np.log(matched / counted).mean(axis=-1)
        return np.asarray(np.exp(precision + np.minimum(0, 1 - reference / length)[..., 0]))

    def gradient(sums: Array) -> Array:
        matched, counted, length, reference = split(sums)
        short = reference > length
        by_counted = -0.25 / counted
        by_counted[..., :1] += np.where(short, reference / length**2, 0)
        by_reference = np.where(short, -1 / length, 0)
        return np.asarray(value(sums)[..., None] * np.concatenate([0.25 / matched, by_counted, by_reference], axis=-1))

    return Sums(parts=np.asarray(counts, dtype=np.float64), value=value, gradient=gradient)
