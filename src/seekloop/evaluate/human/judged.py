"""What a judge said as figures, held against the people: agreement, calibration, and estimates that use both.

The judge looked at all rows, people at a random few of them. The judge's own mean is biased by what the judge likes;
the prediction-powered one is put right by the people (`metrics.powered`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seekloop.artifact.kinds import Figure
from seekloop.evaluate.human.book import Rating, Winner
from seekloop.evaluate.human.figures import Said, Scores, Seeded, agreed, majority, points, scores_of, wins
from seekloop.evaluate.human.spec import HIGHEST, StudySpec
from seekloop.evaluate.human.verdicts import Verdict
from seekloop.metrics import agreement, association, significance
from seekloop.metrics.powered import powered_mean

__all__ = ["judged"]

_halves: dict[Winner, float] = {"subject": 1.0, "tie": 0.5, "baseline": 0.0}
_least = 10
"""Rows of people, below which neither calibration nor a powered estimate is given."""


def judged(spec: StudySpec, verdicts: Sequence[Verdict], *, ratings: Sequence[Rating], drawn: Seeded) -> Said:
    """The figures of what a judge said; empty where there is no judge.

    judge_DIMENSION_mean (bootstrap), judge_win_rate (Tango), judge_invalid_rate (Wilson): over all rows.
    judge_consistency (Wilson): how often both orders had the same winner. agreement_judge_DIMENSION_kappa: Cohen's,
    quadratic weights, of the judge and the rounded mean of the people; _spearman: the rank correlation.
    human_DIMENSION_mean_powered, human_win_rate_powered: prediction-powered intervals for all rows.
    """
    said = Said()
    if not verdicts:
        return said
    counted = [one for one in ratings if not one.skipped]
    invalid = sum(one.invalid is not None for one in verdicts)
    said.figures.append(_share("judge_invalid_rate", invalid, n=len(verdicts), better="lower"))
    said.more["invalid"] = dict(sorted(Counter(one.invalid for one in verdicts if one.invalid).items()))
    said.more["repaired"] = sum(one.repaired for one in verdicts)
    valid = [one for one in verdicts if one.invalid is None]
    for dimension in spec.dimensions if "rate" in spec.ask else ():
        _add_dimension(said, dimension.name, verdicts=valid, ratings=counted, spec=spec, drawn=drawn)
    _add_preference(said, valid, ratings=counted, spec=spec, drawn=drawn)
    return said


def _add_dimension(
    said: Said, name: str, *, verdicts: Sequence[Verdict], ratings: Sequence[Rating], spec: StudySpec, drawn: Seeded
) -> None:
    judge = {one.task: float(one.values[name]) for one in verdicts if name in one.values}
    subject = {one.task for one in verdicts if one.reports == (spec.reports[0],)}
    if not subject & set(judge):
        return
    own = {task: score for task, score in judge.items() if task in subject}
    said.figures.append(points(f"judge_{name}_mean", list(own.values()), drawn=drawn))
    scores = scores_of(ratings, name)
    _add_agreement(said, name, judge=judge, people=scores, values=HIGHEST + 1, drawn=drawn)
    mine = {task: score for task, score in scores.items() if task in subject}
    powered = _powered(f"human_{name}_mean_powered", people=mine, judge=own, unit="points")
    _add_powered(said, name, powered=powered)


def _add_preference(
    said: Said, verdicts: Sequence[Verdict], *, ratings: Sequence[Rating], spec: StudySpec, drawn: Seeded
) -> None:
    chosen = [one for one in verdicts if one.winner is not None]
    if not chosen:
        return
    winners = {one.task: one.winner for one in chosen if one.winner is not None}
    found = wins("judge", winners, baseline=spec.reports[1])
    said.figures += found.figures
    said.comparisons += found.comparisons
    same = sum(len(set(one.orders)) == 1 for one in chosen)
    said.figures.append(_share("judge_consistency", same, n=len(chosen)))
    said.more["preference"] = {**found.more, "position": _position(chosen)}
    judge = {task: _halves[winner] for task, winner in winners.items()}
    scores = {task: _halves[winner] for task, winner in majority(ratings).items()}
    _add_agreement(said, "preference", judge=judge, people=scores, values=3, drawn=drawn)
    _add_powered(
        said, "preference", powered=_powered("human_win_rate_powered", people=scores, judge=judge, unit="share")
    )


def _position(chosen: Sequence[Verdict]) -> dict[str, int]:
    """How often the answer that stood first won, in either order."""
    firsts = [(won, first) for one in chosen for won, first in zip(one.orders, ("subject", "baseline"), strict=True)]
    decided = [(won, first) for won, first in firsts if won != "tie"]
    return {"first_won": sum(won == first for won, first in decided), "decided": len(decided)}


def _add_agreement(said: Said, name: str, *, judge: Scores, people: Scores, values: int, drawn: Seeded) -> None:
    """Agreement on the tasks that both looked at, and the maps from the judge's scores to the people's."""
    both = sorted(task for task in people if task in judge)
    if len(both) < _least:
        said.more.setdefault("too_few", {})[name] = len(both)
        return
    x, y = (np.array([of[task] for task in both]) for of in (judge, people))
    step = 1.0 if values > 3 else 0.5
    left, right = (np.rint(column / step).astype(np.int64) for column in (x, y))
    kappa = agreement.cohen_kappa(left, right, distance=agreement.distances(values, "quadratic"))
    found = [
        agreed(f"agreement_judge_{name}_kappa", kappa, n=len(both), drawn=drawn),
        agreed(f"agreement_judge_{name}_spearman", association.spearman(x, y), n=len(both), drawn=drawn),
    ]
    said.figures += [figure for figure in found if figure is not None]
    straight, steps = association.line(x, y), association.isotonic(x, y)
    said.more.setdefault("calibration", {})[name] = {
        "n": len(both),
        "bias": round(float((x - y).mean()), 10),
        "linear": {"slope": round(straight.slope, 10), "offset": round(straight.offset, 10)},
        "isotonic": {"at": list(steps.at), "values": [round(value, 10) for value in steps.values]},
    }


def _powered(name: str, *, people: Scores, judge: Scores, unit: str) -> dict[str, Any] | None:
    """The powered estimate as plain values; None where there are too few rows of either kind."""
    both = sorted(task for task in people if task in judge)
    others = [score for task, score in sorted(judge.items()) if task not in people]
    if len(both) < _least or len(others) < 2:
        return None
    labels, predicted = (np.array([of[task] for task in both]) for of in (people, judge))
    found = powered_mean(labels, predicted, others=np.array(others))
    most = HIGHEST if unit == "points" else 1.0
    low, high = max(0.0, found.ci.low), min(most, found.ci.high)
    figure = Figure(name=name, value=round(found.value, 10), n=found.n, ci=(round(low, 10), round(high, 10)), unit=unit)
    return {"figure": figure, "weight": round(found.weight, 10), "people": found.n, "judge_alone": found.others}


def _add_powered(said: Said, name: str, *, powered: Mapping[str, Any] | None) -> None:
    if powered is not None:
        said.figures.append(powered["figure"])
        said.more.setdefault("powered", {})[name] = {key: powered[key] for key in ("weight", "people", "judge_alone")}


def _share(name: str, count: int, *, n: int, better: str = "higher") -> Figure:
    low, high = significance.wilson(count, n)
    figure = Figure(name=name, value=round(count / n, 10), n=n, ci=(round(low, 10), round(high, 10)))
    return figure.model_copy(update={"better": better})
