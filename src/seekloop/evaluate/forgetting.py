"""What a later checkpoint no longer gets right of what its parent did: points lost on frozen rows, over classes.

Classes count alike, however many rows they have (Chaudhry et al. 2018, "Riemannian Walk for Incremental Learning": the
mean over what was learnt before of the loss in accuracy), so that a rare intent that is lost shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from seekloop.artifact.kinds import Figure, Report
from seekloop.artifact.store import Store
from seekloop.evaluate.compare import Pair, measure, paired
from seekloop.evaluate.measures import expected_labels
from seekloop.evaluate.verdict import Measured
from seekloop.metrics.paired import paired_share
from seekloop.system import seeds

__all__ = ["FIGURE", "ClassLoss", "forgetting", "forgetting_by_class", "forgotten", "lost_by_class"]

FIGURE = "forgetting_points"
"""Of a hundred answers: 2 is two points lost. Below 0: the candidate is better than its parent."""
_text_figures = ("exact_match", "rougeL_zh", "rougeL_en")
_points = 100.0


class ClassLoss(BaseModel):
    """One class before and after."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    label: str
    n: int
    """Frozen rows of the class."""
    parent: float
    """Share that the parent got right."""
    candidate: float
    """Share that the candidate got right."""
    lost: float
    """Points: 100 (parent - candidate)."""
    ci: tuple[float, float]
    """95 % paired interval of the same, of this class alone: among many classes some lie outside by chance."""

    def as_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return self.model_dump(mode="json")


def forgetting(parent: Report, candidate: Report, *, store: Store, seed: int, resamples: int = 2000) -> Figure:
    """Points that the candidate lost on the rows that both were asked, with a paired 95 % interval.

    Rows with labels: the mean over classes of parent's share of right answers less the candidate's (the difference of
    macro recalls). Others: the same of exact answers, or of ROUGE-L where there are none.

    Args:
        parent: the released model's report on a frozen set.
        candidate: the report on the same.
        store: holds both.
        seed: the run's.
        resamples: of the bootstrap.

    Raises:
        DataError: they share no row.
        ValueError: the rows have neither labels nor texts.
    """
    pairs, groups = paired(candidate, parent, store=store)
    only = ["macro_recall"] if any(one.label is not None for one, _ in pairs) else _text_figures
    measured = measure(pairs, seed=seed, resamples=resamples, groups=groups, only=only)
    return forgotten(measured)


def forgotten(measured: Sequence[Measured]) -> Figure:
    """The figure of a measured difference, candidate less parent: the one of most rows.

    Raises:
        ValueError: nothing was measured.
    """
    if not measured:
        raise ValueError("nothing to forget was measured")
    one = max(measured, key=lambda found: (found.n, found.figure == "exact_match"))
    low, high = one.ci
    return Figure(
        name=FIGURE,
        value=_as_points(one.difference),
        n=one.n,
        ci=(_as_points(high), _as_points(low)),
        unit="points",
        better="lower",
    )


def forgetting_by_class(
    parent: Report, candidate: Report, *, store: Store, seed: int, resamples: int = 2000
) -> list[ClassLoss]:
    """Each class on its own, the one that lost most first; none where rows have no labels.

    Raises:
        DataError: the reports share no row.
    """
    pairs, groups = paired(candidate, parent, store=store)
    return lost_by_class(pairs, groups=groups, seed=seed, resamples=resamples)


def lost_by_class(
    pairs: Sequence[Pair], *, groups: dict[str, str], seed: int, resamples: int = 2000
) -> list[ClassLoss]:
    """As `forgetting_by_class`, of pairs of the candidate's and the parent's answer.

    Args:
        pairs: at least one.
        groups: row id -> name of its group; a row that is not in it is a group of its own.
        seed: the run's.
        resamples: of the test that swaps groups.
    """
    by_label: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        for label in expected_labels(pair[0]):
            by_label[label].append(pair)
    drawn = seeds.derive(seed, "evaluate", "forgetting")
    found = [
        _loss(label, some, groups=groups, seed=drawn, resamples=resamples) for label, some in sorted(by_label.items())
    ]
    return sorted(found, key=lambda one: -one.lost)


def _loss(label: str, pairs: Sequence[Pair], *, groups: dict[str, str], seed: int, resamples: int) -> ClassLoss:
    after, before = ([pair[side].correct for pair in pairs] for side in (0, 1))
    names = [groups.get(one.row, one.row) for one, _ in pairs]
    interval = paired_share(after, before, groups=names, resamples=resamples, seed=seed).interval
    share = [sum(column) / len(pairs) for column in (before, after)]
    return ClassLoss(
        label=label,
        n=len(pairs),
        parent=round(share[0], 10),
        candidate=round(share[1], 10),
        lost=_as_points(share[1] - share[0]),
        ci=(_as_points(interval.high), _as_points(interval.low)),
    )


def _as_points(difference: float) -> float:
    """Points lost, in ten digits, and never -0."""
    return round(-_points * difference, 10) + 0.0
