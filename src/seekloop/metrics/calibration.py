"""Whether probabilities mean what they say: reliability curve, expected calibration error, and Platt's scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seekloop.metrics.significance import Statistic
from seekloop.metrics.sums import Sums, of_counts

__all__ = [
    "Bin",
    "Scale",
    "calibration_error",
    "calibration_sums",
    "platt",
    "reliability",
    "weighted_calibration_error",
]

Floats = NDArray[np.float64]
_steps = 50


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows whose probability lies between two bounds."""

    low: float
    high: float
    n: int
    predicted: float
    """Mean probability."""
    observed: float
    """Share of rows that are positive."""


class Scale(NamedTuple):
    """probability = 1 / (1 + exp(-(slope * logit + offset)))."""

    slope: float
    offset: float

    def __call__(self, logits: Floats) -> Floats:
        """Probabilities of `logits`, same shape."""
        z = np.clip(self.slope * np.asarray(logits, dtype=np.float64) + self.offset, -40, 40)
        return np.asarray(1 / (1 + np.exp(-z)))


def reliability(probabilities: Floats, positive: NDArray[np.bool_], *, bins: int = 10) -> list[Bin]:
    """The reliability curve: bins of equal width, those without rows left out.

    Args:
        probabilities: shape (n,), 0 to 1.
        positive: shape (n,).
        bins: how many parts 0 to 1 is cut into.
    """
    place = np.minimum((np.asarray(probabilities) * bins).astype(np.int64), bins - 1)
    curve = []
    for index in range(bins):
        mine = place == index
        if mine.any():
            predicted, observed = float(probabilities[mine].mean()), float(positive[mine].mean())
            bounds = index / bins, (index + 1) / bins
            curve.append(Bin(low=bounds[0], high=bounds[1], n=int(mine.sum()), predicted=predicted, observed=observed))
    return curve


def calibration_error(probabilities: Floats, positive: NDArray[np.bool_], *, bins: int = 10) -> float:
    """Expected calibration error: mean gap between predicted and observed, weighted by rows (Naeini et al. 2015).

    Raises:
        ValueError: no rows.
    """
    if not len(probabilities):
        raise ValueError("no rows")
    curve = reliability(probabilities, positive, bins=bins)
    return sum(one.n * abs(one.predicted - one.observed) for one in curve) / len(probabilities)


def weighted_calibration_error(probabilities: Floats, positive: NDArray[np.bool_], *, bins: int = 10) -> Statistic:
    """`calibration_error` as a function of row weights, to be bootstrapped."""
    of = calibration_sums(probabilities, positive, bins=bins)
    return lambda weights: of.value(weights @ of.parts)


def calibration_sums(probabilities: Floats, positive: NDArray[np.bool_], *, bins: int = 10) -> Sums:
    """`calibration_error` as sums over rows: how far each bin's probabilities and outcomes lie apart, and the rows."""
    place = np.minimum((np.asarray(probabilities) * bins).astype(np.int64), bins - 1)
    gaps = np.zeros((len(place), bins))
    gaps[np.arange(len(place)), place] = np.asarray(probabilities) - np.asarray(positive)
    counts = np.concatenate([gaps, np.ones((len(place), 1))], axis=1)
    return of_counts(counts, lambda sums: np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1])


def platt(logits: Floats, positive: NDArray[np.bool_]) -> Scale:
    """Slope and offset that make logits probabilities: Platt (1999), with the Newton steps of Lin et al. (2007).

    The targets (positives + 1) / (positives + 2) and 1 / (negatives + 2) keep a separable set from going to infinity.

    Raises:
        ValueError: one of the two classes is absent.
    """
    up = int(positive.sum())
    down = len(positive) - up
    if not (up and down):
        raise ValueError(f"{up} positive and {down} negative rows")
    targets = np.where(positive, (up + 1) / (up + 2), 1 / (down + 2))
    design = np.stack([np.asarray(logits, dtype=np.float64), np.ones(len(logits))], axis=1)
    beta = np.array([0.0, np.log((up + 1) / (down + 1))])
    loss = _loss(design @ beta, targets)
    for _ in range(_steps):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -40, 40)))
        gradient = design.T @ (p - targets)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        new, gain = _loss(design @ (beta - step), targets), 1e-4 * float(gradient @ step)
        while size > 1e-8 and new > loss - size * gain:
            size /= 2
            new = _loss(design @ (beta - size * step), targets)
        if size <= 1e-8 or np.abs(gradient).max() < 1e-8:
            break
        beta, loss = beta - size * step, new
    return Scale(float(beta[0]), float(beta[1]))


def _loss(z: Floats, targets: Floats) -> float:
    return float((np.logaddexp(0, z) - targets * z).sum())
