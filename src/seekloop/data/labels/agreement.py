"""Agreement of the raters of annotated items: one figure for all, each label, each pair of raters, and who differs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seekloop.data.labels.items import Item
from seekloop.metrics import agreement as measures
from seekloop.metrics.agreement import Distance, Measured
from seekloop.metrics.significance import Statistic
from seekloop.system.errors import DataError
from seekloop.text.labelled import join_labels

__all__ = ["Agreement", "Metric", "Pair", "Ratings", "agreement", "ratings_of"]

Metric = Literal["nominal", "ordinal", "interval", "jaccard", "masi"]
_confusions_at_most = 20
_resamples_a_pair = 500
_draws_at_most = 20_000_000
"""Units drawn in all resamples: many units need few, and get their interval in seconds."""


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """Who said what of which item, as codes."""

    units: tuple[str, ...]
    raters: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    """What can be said: a tuple of labels each, sorted."""
    codes: NDArray[np.int64]
    """Shape (units, raters); -1: not rated."""

    @property
    def names(self) -> tuple[str, ...]:
        """Each value as one text."""
        return tuple(join_labels(value) or "(none)" for value in self.values)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two raters on the items that both rated."""

    raters: tuple[str, str]
    kappa: Measured
    agreed: float
    """Share of items with the same answer."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What `agreement` found."""

    metric: Metric
    units: int
    """Items that two raters at least rated."""
    raters: tuple[str, ...]
    alpha: Measured
    """Krippendorff's."""
    fleiss: Measured | None
    """None: items have different numbers of raters, or several labels."""
    labels: Mapping[str, float]
    """Label -> how often a second rater gives it where a first did; the worst first."""
    pairs: tuple[Pair, ...]
    """The worst first."""
    confusions: Mapping[tuple[str, str], int]
    """Two answers that stood against each other -> how often; the most frequent."""

    def as_json(self) -> dict[str, Any]:
        """Plain values; a figure without a meaning is null."""
        return {
            "metric": self.metric,
            "units": self.units,
            "raters": list(self.raters),
            "alpha": _plain(self.alpha),
            "fleiss_kappa": None if self.fleiss is None else _plain(self.fleiss),
            "labels": {name: round(share, 4) for name, share in self.labels.items()},
            "pairs": [
                {"raters": list(one.raters), "kappa": _plain(one.kappa), "agreed": round(one.agreed, 4)}
                for one in self.pairs
            ],
            "confusions": [{"answers": list(pair), "count": count} for pair, count in self.confusions.items()],
        }


def ratings_of(items: Iterable[Item], *, order: Sequence[str] = ()) -> Ratings:
    """The submitted judgements as codes.

    Args:
        items: with their judgements.
        order: labels from least to most, for ordinal agreement; others follow in sorted order.
    """
    votes = [(item.id, {rater: tuple(sorted(labels)) for rater, labels in item.votes.items()}) for item in items]
    votes = [(unit, said) for unit, said in votes if said]
    raters = tuple(sorted({rater for _, said in votes for rater in said}))
    place = {label: number for number, label in enumerate(order)}
    found = {value for _, said in votes for value in said.values()}
    values = tuple(sorted(found, key=lambda value: ([place.get(one, len(place)) for one in value], value)))
    code = {value: number for number, value in enumerate(values)}
    seat = {rater: number for number, rater in enumerate(raters)}
    codes = np.full((len(votes), len(raters)), -1, dtype=np.int64)
    for row, (_, said) in enumerate(votes):
        for rater, value in said.items():
            codes[row, seat[rater]] = code[value]
    return Ratings(units=tuple(unit for unit, _ in votes), raters=raters, values=values, codes=codes)


def agreement(ratings: Ratings, *, metric: Metric = "nominal", seed: int = 0, resamples: int = 2000) -> Agreement:
    """How far the raters agree.

    Args:
        ratings: from `ratings_of`.
        metric: nominal for one label a row, ordinal or interval for grades, jaccard or masi for sets of labels.
        seed: of the bootstrap.
        resamples: of the bootstrap.

    Raises:
        DataError: no item has two raters; or interval agreement of labels that are no numbers.
    """
    counts = measures.counts_of(ratings.codes, values=len(ratings.values))
    shared = counts.sum(axis=1) >= 2
    if not shared.any():
        raise DataError("labels.no_overlap", raters=len(ratings.raters))
    codes, counts = ratings.codes[shared], counts[shared]
    distance = _distance(ratings, metric)
    resamples = max(1, min(resamples, _draws_at_most // len(counts)))
    statistic = (
        measures.ordinal_alpha(counts)
        if metric == "ordinal"
        else measures.krippendorff_alpha(counts, distance=distance)
    )
    alpha = measures.measured(statistic, len(counts), seed=seed, resamples=resamples)
    return Agreement(
        metric=metric,
        units=len(counts),
        raters=ratings.raters,
        alpha=alpha,
        fleiss=_fleiss(counts, ratings, seed=seed, resamples=resamples),
        labels=_by_label(codes, ratings),
        pairs=_pairs(codes, ratings, distance=distance, seed=seed),
        confusions=_confusions(counts, ratings),
    )


def _distance(ratings: Ratings, metric: Metric) -> Distance:
    if metric in ("jaccard", "masi"):
        return measures.set_distances([frozenset(value) for value in ratings.values], masi=metric == "masi")
    if metric == "interval":
        try:
            return measures.distances([float(name) for name in ratings.names], "quadratic")
        except ValueError as error:
            raise DataError("labels.not_numbers", problem=error) from error
    # Cohen's weighted kappa has no metric of ranks: squared distances of their places stand for it.
    return measures.distances(len(ratings.values), "quadratic" if metric == "ordinal" else "nominal")


def _fleiss(counts: measures.Counts, ratings: Ratings, *, seed: int, resamples: int) -> Measured | None:
    same = len(set(counts.sum(axis=1).tolist())) == 1
    if not same or any(len(value) > 1 for value in ratings.values):
        return None
    return measures.measured(measures.fleiss_kappa(counts), len(counts), seed=seed, resamples=resamples)


def _by_label(codes: NDArray[np.int64], ratings: Ratings) -> dict[str, float]:
    """Specific agreement of each label: of the raters who may give it, alone or among others."""
    names = sorted({label for value in ratings.values for label in value})
    found: dict[str, float] = {}
    for name in names:
        has = np.array([*(name in value for value in ratings.values), False])
        given = np.where(codes >= 0, has[codes], False).sum(axis=1)
        rated = (codes >= 0).sum(axis=1)
        counts = np.stack([given, rated - given], axis=1).astype(np.float64)
        found[name] = float(measures.specific_agreement(counts)[0])
    return dict(sorted(found.items(), key=lambda pair: (pair[1], pair[0])))


def _pairs(codes: NDArray[np.int64], ratings: Ratings, *, distance: Distance, seed: int) -> tuple[Pair, ...]:
    found: list[Pair] = []
    for i, j in itertools.combinations(range(len(ratings.raters)), 2):
        both = (codes[:, i] >= 0) & (codes[:, j] >= 0)
        if not both.any():
            continue
        left, right = codes[both, i], codes[both, j]
        statistic: Statistic = measures.cohen_kappa(left, right, distance=distance)
        kappa = measures.measured(statistic, len(left), seed=seed, resamples=_resamples_a_pair)
        names = (ratings.raters[i], ratings.raters[j])
        found.append(Pair(raters=names, kappa=kappa, agreed=float((left == right).mean())))
    return tuple(sorted(found, key=lambda one: (np.nan_to_num(one.kappa.value, nan=2.0), one.raters)))


def _confusions(counts: measures.Counts, ratings: Ratings) -> dict[tuple[str, str], int]:
    """How many pairs of raters gave two different answers to one item."""
    found: Counter[tuple[str, str]] = Counter()
    for row in counts:
        given = np.flatnonzero(row)
        for a, b in itertools.combinations(given.tolist(), 2):
            found[(ratings.names[a], ratings.names[b])] += int(row[a] * row[b])
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:_confusions_at_most])


def _plain(figure: Measured) -> dict[str, Any] | None:
    if np.isnan(figure.value):
        return None
    interval = None if figure.ci is None else [round(end, 4) for end in figure.ci]
    return {"value": round(figure.value, 4), "ci": interval, "n": figure.n}
