"""A logistic head across folds: no row is judged by weights that saw its text, in this round or in any later one.

The fold of a row is the hash of its text's key, so a text that comes back in a later round meets the same fold. Each
fold's weights are trained on the other folds (L2-penalised log loss, L-BFGS), and its probabilities are scaled by
Platt's method on scores of rows that the weights did not see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.data.judge.features import Matrix, Vector
from seekloop.data.unseen import FOLDS, fold_of
from seekloop.metrics.calibration import Scale, platt

__all__ = ["Head", "Trained", "train"]

_penalty = 0.05
_memory, _steps, _tolerance = 8, 120, 1e-4

Floats = NDArray[np.float64]
_Objective = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True, kw_only=True)
class Head:
    """What judges rows."""

    weights: NDArray[np.float32]
    """Shape (folds, width)."""
    bias: NDArray[np.float64]
    """Shape (folds,)."""
    scales: tuple[Scale, ...]
    """Logit to probability, by fold."""

    def probability(self, vector: Vector, *, key: str) -> float:
        """How likely the row is noise, 0 to 1, by the fold that did not see its text."""
        fold = fold_of(key)
        logit = float(self.weights[fold][vector.columns] @ vector.values) + float(self.bias[fold])
        return float(self.scales[fold](np.array([logit]))[0])


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A head, and what it said of the rows that it was trained on, each by the fold that did not see it."""

    head: Head
    probabilities: Floats
    """Shape (n,)."""


def train(vectors: Sequence[Vector], noise: NDArray[np.bool_], *, keys: Sequence[str], width: int) -> Trained:
    """Train a head.

    Args:
        vectors: features of n rows.
        noise: shape (n,).
        keys: the key of each row's text, which decides its fold.
        width: columns of the features.

    Raises:
        ValueError: a fold without the other class to learn from.
    """
    folds = np.array([fold_of(key) for key in keys])
    weights, bias = np.zeros((FOLDS, width), dtype=np.float32), np.zeros(FOLDS)
    logits = np.zeros(len(vectors))
    for fold in range(FOLDS):
        seen, unseen = (np.flatnonzero(mine).tolist() for mine in (folds != fold, folds == fold))
        if not 0 < noise[seen].sum() < len(seen):
            raise ValueError(f"fold {fold} has one class only")
        found = _fit(Matrix([vectors[i] for i in seen], width=width), noise[seen].astype(np.float64))
        weights[fold], bias[fold] = found[:-1], found[-1]
        if len(unseen):
            mine = Matrix([vectors[i] for i in unseen], width=width)
            logits[unseen] = mine.times(weights[fold].astype(np.float64)) + bias[fold]
    # The scale of a fold is found on the rows of the others, so that its own rows test it.
    scales = tuple(platt(logits[folds != fold], noise[folds != fold]) for fold in range(FOLDS))
    probabilities = np.zeros(len(vectors))
    for fold in range(FOLDS):
        probabilities[folds == fold] = scales[fold](logits[folds == fold])
    return Trained(head=Head(weights=weights, bias=bias, scales=scales), probabilities=probabilities)


def _fit(matrix: Matrix, targets: Floats) -> Floats:
    """Weights and, last, the bias that minimise the mean log loss with an L2 penalty on the weights alone."""
    penalty = _penalty / matrix.rows

    def objective(point: Floats) -> tuple[float, Floats]:
        z = matrix.times(point[:-1]) + point[-1]
        errors = (1 / (1 + np.exp(-np.clip(z, -40, 40))) - targets) / matrix.rows
        loss = float((np.logaddexp(0, z) - targets * z).mean() + penalty / 2 * (point[:-1] @ point[:-1]))
        return loss, np.append(matrix.back(errors) + penalty * point[:-1], errors.sum())

    return _minimise(objective, np.zeros(matrix.width + 1))


def _minimise(objective: _Objective, point: Floats) -> Floats:
    """L-BFGS with backtracking (Nocedal and Wright, Numerical Optimization, algorithm 7.4)."""
    loss, gradient = objective(point)
    pairs: list[tuple[Floats, Floats, float]] = []
    for _ in range(_steps):
        direction = _direction(gradient, pairs)
        slope, size = float(gradient @ direction), 1.0 if pairs else 1 / max(float(np.linalg.norm(gradient)), 1e-12)
        new, slopes = objective(point + size * direction)
        while new > loss + 1e-4 * size * slope and size > 1e-10:
            size /= 2
            new, slopes = objective(point + size * direction)
        moved, turned = size * direction, slopes - gradient
        curvature = float(moved @ turned)
        if curvature > 1e-12:
            pairs = [*pairs[-_memory + 1 :], (moved, turned, curvature)]
        is_done = loss - new < _tolerance * max(loss, 1e-3)
        point, loss, gradient = point + moved, new, slopes
        if is_done:
            break
    return point


def _direction(gradient: Floats, pairs: Sequence[tuple[Floats, Floats, float]]) -> Floats:
    """Minus the approximate inverse Hessian times the gradient, by the two loops over past steps."""
    q, shares = gradient.copy(), []
    for moved, turned, curvature in reversed(pairs):
        share = float(moved @ q) / curvature
        shares.append(share)
        q -= share * turned
    if pairs:
        moved, turned, curvature = pairs[-1]
        q *= curvature / float(turned @ turned)
    for (moved, turned, curvature), share in zip(pairs, reversed(shares), strict=True):
        q += (share - float(turned @ q) / curvature) * moved
    return -q
