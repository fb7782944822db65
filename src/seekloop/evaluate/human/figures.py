"""What people said as figures: means and win rates over rows, how far raters agree, and what sides and raters did.

A row counts once, however many raters looked at it: its score is their mean, its winner their majority. So n is rows,
and an interval is over rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seekloop.artifact.kinds import Comparison, Figure
from seekloop.evaluate.human.book import Rating, Winner, is_whole
from seekloop.evaluate.human.spec import HIGHEST, Dimension, StudySpec
from seekloop.evaluate.human.tasks import Task
from seekloop.metrics import agreement, significance

__all__ = ["Said", "Scores", "Seeded", "agreed", "majority", "people", "points", "scores_of", "wins"]

Scores = Mapping[str, float]
"""Task -> score."""
_signs: dict[Winner, int] = {"subject": 1, "tie": 0, "baseline": -1}
_codes: dict[Winner, int] = {"subject": 0, "tie": 1, "baseline": 2}


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """How intervals are drawn."""

    seed: int
    resamples: int = 2000


@dataclass(kw_only=True)
class Said:
    """Figures and comparisons for the report, and everything else in plain values for `human.json`."""

    figures: list[Figure] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)


def people(spec: StudySpec, tasks: Sequence[Task], *, ratings: Sequence[Rating], drawn: Seeded) -> Said:
    """The figures of what people said; empty where nobody said anything.

    human_DIMENSION_mean (bootstrap over rows): the subject's answers. human_win_rate (Tango's score interval): the
    share of rows that the majority of raters gave to the subject, ties counted half. human_tie_rate (Wilson).
    human_first_shown_rate (Wilson): how often the answer that stood first won, ties left out; 0.5 is no bias.
    agreement_DIMENSION_alpha: Krippendorff's ordinal alpha; agreement_preference_alpha: the nominal one.
    """
    known = {task.id: task for task in tasks}
    counted = [one for one in ratings if one.task in known and not one.skipped]
    said = Said(more={"raters": _raters(spec, tasks, ratings=ratings)})
    for dimension in spec.dimensions if "rate" in spec.ask else ():
        _add_dimension(said, dimension.name, tasks=tasks, ratings=counted, spec=spec, drawn=drawn)
    chosen = [one for one in counted if one.winner is not None]
    if chosen:
        _add_preference(said, chosen, spec=spec, drawn=drawn)
    return said


def scores_of(ratings: Iterable[Rating], dimension: str) -> dict[str, float]:
    """Task -> mean over the raters who gave the dimension a number."""
    given: dict[str, list[int]] = {}
    for one in ratings:
        if dimension in one.values:
            given.setdefault(one.task, []).append(one.values[dimension])
    return {task: sum(values) / len(values) for task, values in given.items()}


def majority(ratings: Iterable[Rating]) -> dict[str, Winner]:
    """Task -> who more raters preferred; as many for either is a tie."""
    sums: dict[str, int] = {}
    for one in ratings:
        if one.winner is not None:
            sums[one.task] = sums.get(one.task, 0) + _signs[one.winner]
    return {task: "subject" if total > 0 else "baseline" if total < 0 else "tie" for task, total in sums.items()}


def points(name: str, values: Sequence[float], *, drawn: Seeded) -> Figure:
    """A mean on the scale from 0 to 5, bootstrapped over rows."""
    ci = significance.bootstrap_mean(values, seed=drawn.seed, resamples=drawn.resamples)
    return _figure(name, float(np.mean(values)), ci=ci, n=len(values)).model_copy(update={"unit": "points"})


def wins(prefix: str, winners: Mapping[str, Winner], *, baseline: str) -> Said:
    """Win rate, tie rate, and the difference of the shares that either won.

    The win rate with ties counted half is (1 + d) / 2 with d the difference of the shares, and so is its interval.
    """
    n = len(winners)
    won, lost = (sum(one == side for one in winners.values()) for side in ("subject", "baseline"))
    ci = significance.paired_share_difference(won, lost, n=n)
    halved = significance.Interval((1 + ci.low) / 2, (1 + ci.high) / 2)
    ties = n - won - lost
    return Said(
        figures=[
            _figure(f"{prefix}_win_rate", (won + ties / 2) / n, ci=halved, n=n),
            _figure(f"{prefix}_tie_rate", ties / n, ci=significance.wilson(ties, n), n=n),
        ],
        comparisons=[
            _comparison(
                f"{prefix}_preference",
                (won - lost) / n,
                baseline=baseline,
                ci=ci,
                p_value=significance.mcnemar(won, lost),
                n=n,
            )
        ],
        more={"won": won, "tied": ties, "lost": lost},
    )


def agreed(name: str, statistic: significance.Statistic, *, n: int, drawn: Seeded) -> Figure | None:
    """An agreement as a figure; None where it has no meaning: nobody could have disagreed."""
    found = agreement.measured(statistic, n, seed=drawn.seed, resamples=drawn.resamples)
    if math.isnan(found.value):
        return None
    figure = Figure(name=name, value=round(found.value, 10), n=found.n, unit="agreement")
    if found.ci is None:
        return figure
    return figure.model_copy(update={"ci": (round(found.ci.low, 10), round(found.ci.high, 10))})


def _add_dimension(
    said: Said, name: str, *, tasks: Sequence[Task], ratings: Sequence[Rating], spec: StudySpec, drawn: Seeded
) -> None:
    scores = scores_of(ratings, name)
    by_report = [
        {
            task.row: scores[task.id]
            for task in tasks
            if task.kind == "rate" and task.reports == (report,) and task.id in scores
        }
        for report in spec.reports
    ]
    if by_report[0]:
        said.figures.append(points(f"human_{name}_mean", list(by_report[0].values()), drawn=drawn))
    if len(by_report) > 1 and (shared := [row for row in by_report[0] if row in by_report[1]]):
        gaps = np.array([by_report[0][row] - by_report[1][row] for row in shared])
        said.comparisons.append(_paired(f"human_{name}_mean", gaps, baseline=spec.reports[1], drawn=drawn))
    table = _table(ratings, lambda one: one.values.get(name))
    _add_agreement(said, name, table=table, raters=spec.raters, values=HIGHEST + 1, drawn=drawn)


def _add_preference(said: Said, chosen: Sequence[Rating], *, spec: StudySpec, drawn: Seeded) -> None:
    found = wins("human", majority(chosen), baseline=spec.reports[1])
    said.figures += found.figures
    said.comparisons += found.comparisons
    said.more["preference"] = found.more
    decided = [one for one in chosen if one.winner != "tie"]
    first = sum(one.winner == one.first for one in decided)
    p_value = significance.mcnemar(first, len(decided) - first)
    said.more["position"] = {"first_won": first, "decided": len(decided), "p_value": round(p_value, 10)}
    if decided:
        ci = significance.wilson(first, len(decided))
        said.figures.append(_figure("human_first_shown_rate", first / len(decided), ci=ci, n=len(decided)))
    table = _table(chosen, lambda one: None if one.winner is None else _codes[one.winner])
    _add_agreement(said, "preference", table=table, raters=spec.raters, values=len(_codes), drawn=drawn)


def _add_agreement(
    said: Said,
    name: str,
    *,
    table: Mapping[str, Mapping[str, int]],
    raters: Sequence[str],
    values: int,
    drawn: Seeded,
) -> None:
    """Alpha over the tasks of two raters or more, and the kappas of each pair of raters."""
    shared = [given for _, given in sorted(table.items()) if len(given) > 1]
    if not shared:
        said.more.setdefault("agreement_missing", []).append(name)
        return
    codes = np.array([[given.get(rater, -1) for rater in raters] for given in shared], dtype=np.int64)
    counts = agreement.counts_of(codes, values=values)
    nominal = name == "preference"
    distance = agreement.distances(values, "nominal" if nominal else "quadratic")
    alpha = agreement.krippendorff_alpha(counts, distance=distance) if nominal else agreement.ordinal_alpha(counts)
    figure = agreed(f"agreement_{name}_alpha", alpha, n=len(shared), drawn=drawn)
    if figure is None:
        said.more.setdefault("agreement_missing", []).append(name)
    else:
        said.figures.append(figure)
    said.more.setdefault("kappas", {})[name] = _kappas(codes, raters, distance=distance)


def _kappas(codes: NDArray[np.int64], raters: Sequence[str], *, distance: agreement.Distance) -> list[dict[str, Any]]:
    """Cohen's kappa of each pair of raters, weighted by squared distance where values are in order."""
    found = []
    for left, right in itertools.combinations(range(len(raters)), 2):
        both = codes[(codes[:, left] >= 0) & (codes[:, right] >= 0)]
        if len(both):
            kappa = float(
                agreement.cohen_kappa(both[:, left], both[:, right], distance=distance)(np.ones((1, len(both))))[0]
            )
            value = None if math.isnan(kappa) else round(kappa, 10)
            found.append({"raters": [raters[left], raters[right]], "kappa": value, "n": len(both)})
    return found


def _table(ratings: Iterable[Rating], code: Any) -> dict[str, dict[str, int]]:
    """Task -> rater -> code, where there is one."""
    table: dict[str, dict[str, int]] = {}
    for one in ratings:
        if (value := code(one)) is not None:
            table.setdefault(one.task, {})[one.rater] = value
    return table


def _raters(spec: StudySpec, tasks: Sequence[Task], *, ratings: Sequence[Rating]) -> list[dict[str, Any]]:
    """What each rater did, gaps counted."""
    by_rater = {name: {one.task: one for one in ratings if one.rater == name} for name in spec.raters}
    return [_rater(name, tasks, said=said, dimensions=spec.dimensions) for name, said in by_rater.items()]


def _rater(
    name: str, tasks: Sequence[Task], *, said: Mapping[str, Rating], dimensions: Sequence[Dimension]
) -> dict[str, Any]:
    whole = [task for task in tasks if is_whole(said.get(task.id), task, dimensions=dimensions)]
    skipped = sum(said[task.id].skipped for task in whole)
    begun = sum(task.id in said for task in tasks) - len(whole)
    given = [one for one in said.values() if not one.skipped]
    means = {one.name: scores_of(given, one.name) for one in dimensions}
    return {
        "rater": name,
        "rated": len(whole) - skipped,
        "skipped": skipped,
        "begun": begun,
        "gaps": len(tasks) - len(whole) - begun,
        "means": {key: round(float(np.mean(list(of.values()))), 4) for key, of in means.items() if of},
    }


def _paired(name: str, gaps: NDArray[np.float64], *, baseline: str, drawn: Seeded) -> Comparison:
    values = significance.bootstrap_values(
        lambda weights: weights @ gaps / len(gaps), len(gaps), resamples=drawn.resamples, seed=drawn.seed
    )
    ci, p_value = significance.percentiles(values), significance.bootstrap_p_value(values)
    return _comparison(name, float(gaps.mean()), baseline=baseline, ci=ci, p_value=p_value, n=len(gaps))


def _comparison(
    name: str, difference: float, *, baseline: str, ci: significance.Interval, p_value: float, n: int
) -> Comparison:
    low, high = (round(end, 10) for end in ci)
    return Comparison(
        figure=name,
        baseline=baseline,
        difference=round(difference, 10),
        ci=(low, high),
        p_value=round(p_value, 10),
        n=n,
    )


def _figure(name: str, value: float, *, ci: significance.Interval, n: int) -> Figure:
    return Figure(name=name, value=round(value, 10), n=n, ci=(round(ci.low, 10), round(ci.high, 10)))
