"""Consensus: the labels that several raters' answers most likely stand for, by majority or by Dawid and Skene's EM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seekloop.data.labels.agreement import Ratings

__all__ = ["Consensus", "Proposal", "dawid_skene", "majority", "proposals"]

_iterations_at_most = 100
_settled = 1e-6


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What the answers about one item most likely stand for."""

    labels: tuple[str, ...]
    probability: float
    """By the model that made it; for several labels, of the least certain one."""
    by: str
    """`majority` or `dawid-skene`."""


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """What `dawid_skene` found."""

    posterior: NDArray[np.float64]
    """Shape (units, V): the probability of each value being right."""
    skill: NDArray[np.float64]
    """Shape (raters,): how often each is expected to be right, over the values' shares."""


def majority(codes: NDArray[np.int64], *, values: int) -> NDArray[np.float64]:
    """The share of each unit's ratings that each value has, shape (units, V)."""
    table = np.zeros((len(codes), values))
    rows, raters = np.nonzero(codes >= 0)
    np.add.at(table, (rows, codes[rows, raters]), 1)
    shares: NDArray[np.float64] = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return shares


def dawid_skene(codes: NDArray[np.int64], *, values: int, smoothing: float = 0.1) -> Consensus:
    """Right values and raters' error rates together, by expectation maximisation from the majority.

    Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm". A rater who
    often errs, or errs the same way, weighs less. Everything is deterministic.

    Args:
        codes: shape (units, raters); -1: not rated.
        values: V.
        smoothing: added to every cell of a rater's table, and ten times it to the diagonal, so that a rater of few
            items is taken to be right more often than not.
    """
    belief = majority(codes, values=values)
    given = [np.where(codes[:, rater, None] == np.arange(values), 1.0, 0.0) for rater in range(codes.shape[1])]
    prior = smoothing + 10 * smoothing * np.eye(values)
    tables = [prior] * len(given)
    for _ in range(_iterations_at_most):
        tables = [_rows(belief.T @ said + prior) for said in given]
        shares = (belief.sum(axis=0) + smoothing) / (belief.sum() + smoothing * values)
        logs = np.log(shares) + sum(said @ np.log(table).T for said, table in zip(given, tables, strict=True))
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        updated = weights / weights.sum(axis=1, keepdims=True)
        moved = float(np.abs(updated - belief).max(initial=0.0))
        belief = updated
        if moved < _settled:
            break
    shares = belief.sum(axis=0) / max(belief.sum(), 1.0)
    skill = np.array([float(shares @ np.diag(table)) for table in tables])
    return Consensus(posterior=belief, skill=skill)


def proposals(ratings: Ratings) -> list[Proposal]:
    """A proposal for each unit: Dawid-Skene from the third rater on, the majority before.

    Several labels a row are decided one by one, each as given or not given.
    """
    weighs = len(ratings.raters) >= 3
    by = "dawid-skene" if weighs else "majority"
    if all(len(value) == 1 for value in ratings.values):
        belief = _belief(ratings.codes, values=len(ratings.values), weighs=weighs)
        best = belief.argmax(axis=1)
        return [
            Proposal(labels=ratings.values[code], probability=float(row[code]), by=by)
            for row, code in zip(belief, best, strict=True)
        ]
    return _one_by_one(ratings, by=by, weighs=weighs)


def _one_by_one(ratings: Ratings, *, by: str, weighs: bool) -> list[Proposal]:
    names: Sequence[str] = sorted({label for value in ratings.values for label in value})
    beliefs = np.zeros((len(ratings.units), len(names)))
    for place, name in enumerate(names):
        has = np.array([*(int(name in value) for value in ratings.values), -1], dtype=np.int64)
        beliefs[:, place] = _belief(has[ratings.codes], values=2, weighs=weighs)[:, 1]
    found = []
    for row in beliefs:
        labels = tuple(name for name, share in zip(names, row, strict=True) if share > 0.5)
        found.append(Proposal(labels=labels, probability=float(np.maximum(row, 1 - row).min(initial=1.0)), by=by))
    return found


def _belief(codes: NDArray[np.int64], *, values: int, weighs: bool) -> NDArray[np.float64]:
    return dawid_skene(codes, values=values).posterior if weighs else majority(codes, values=values)


def _rows(table: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = table / table.sum(axis=1, keepdims=True)
    return scaled
