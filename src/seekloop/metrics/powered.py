"""Prediction-powered inference: few rows that people looked at, many that only a model did, one honest interval."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.significance import Interval

__all__ = ["Powered", "powered_mean"]

Floats = NDArray[np.float64]


class Powered(NamedTuple):
    """A mean that predictions helped to estimate."""

    value: float
    ci: Interval
    weight: float
    """How much the predictions count, 0 to 1; 0: they tell nothing, and the estimate is the people's own mean."""
    n: int
    """Rows with a label."""
    others: int
    """Rows with a prediction alone."""


def powered_mean(labels: Floats, predicted: Floats, *, others: Floats, confidence: float = 0.95) -> Powered:
    """The mean label of all rows, of which few have one.

    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), "Prediction-powered inference", Science 382: the mean of
    the predictions where only they are, put right by their mean error where labels are. The weight w of the predictions
    is that of Angelopoulos, Duchi and Zrnic (2023), "PPI++", held within 0 and 1:
    w mean(others) + mean(labels - w predicted), variance w^2 var(others) / N + var(labels - w predicted) / n, with
    w = cov(labels, predicted) / ((1 + n / N) var(predictions)). Labels must be a random sample of the rows. The
    interval uses Student's t with n - 1 degrees of freedom, since labels are few.

    Args:
        labels: shape (n,).
        predicted: of the same rows, shape (n,).
        others: predictions of the rows without a label, shape (N,).
        confidence: of the two-sided interval.

    Raises:
        ValueError: fewer than 5 labels, fewer than 2 other rows, or shapes that do not fit.
    """
    n, total = len(labels), len(others)
    if n < 5 or total < 2 or len(predicted) != n:
        raise ValueError(f"{n} labels, {len(predicted)} predictions of them, {total} others")
    spread = float(np.var(np.concatenate([predicted, others]), ddof=1))
    together = float(np.cov(labels, predicted, ddof=1)[0, 1])
    weight = min(1.0, max(0.0, together / ((1 + n / total) * spread))) if spread > 0 else 0.0
    errors = labels - weight * predicted
    value = weight * float(others.mean()) + float(errors.mean())
    variance = weight**2 * float(others.var(ddof=1)) / total + float(errors.var(ddof=1)) / n
    half = _student(confidence, n - 1) * variance**0.5
    return Powered(value, Interval(value - half, value + half), weight, n, total)


def _student(confidence: float, degrees: int) -> float:
    """The two-sided quantile of Student's t, by the Cornish-Fisher expansion about the normal one.

    Abramowitz and Stegun (1964), 26.7.5; within 0.5 % from 4 degrees of freedom on.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(z + sum(term / degrees ** (power + 1) for power, term in enumerate(terms)))
