"""One rule held against the evidence: a pure function of stored numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from types import MappingProxyType
from typing import Literal

from seekloop.artifact.kinds import Figure
from seekloop.loop.outcomes import ALL, NOTHING, Evidence, Outcome, SliceCounts, State
from seekloop.loop.rules import (
    LESSONS,
    AtLeast,
    AtMost,
    AtMostMore,
    Better,
    NonInferior,
    NoSafetyLoss,
    Rule,
    ShownBetter,
    SlicesHold,
)
from seekloop.metrics.betting import evidence_gain, least_gain
from seekloop.metrics.significance import non_inferior, paired_share_difference

__all__ = ["invalid", "judge"]

_shown = 3
"""Slices or items that a sentence names."""
_report_delta = 0.025
"""One side of the reports' intervals."""

Found = tuple[float, tuple[float, float], int]


def judge(rule: Rule, evidence: Evidence | None, *, min_rows: int) -> Outcome:
    """What the rule comes to; evidence that is missing, incomplete or of too few rows is invalid."""
    if evidence is None:
        return invalid(rule, "loop.gate_no_evidence")
    if rule.on == LESSONS and evidence == NOTHING:
        return Outcome(rule=rule, state="passed", code="gates.no_earlier_lesson", n=0)
    match rule:
        case NoSafetyLoss():
            return _red_team(rule, evidence, min_rows=min_rows)
        case SlicesHold():
            return _slices(rule, evidence)
        case ShownBetter():
            return _sequential(rule, evidence, min_rows=min_rows)
        case AtMostMore():
            return _more(rule, evidence, min_rows=min_rows)
        case _:
            return _figure(rule, evidence, min_rows=min_rows)


def invalid(rule: Rule, code: str, *, report: str | None = None) -> Outcome:
    """The outcome of a rule that there is no evidence for."""
    return Outcome(rule=rule, state="invalid", code=code, report=report)


def _figure(rule: NonInferior | Better | AtLeast | AtMost, evidence: Evidence, *, min_rows: int) -> Outcome:
    figure = _named(evidence.figures, rule.figure)
    if figure is None:
        return invalid(rule, "loop.gate_no_figure", report=evidence.report)
    if isinstance(rule, NonInferior | Better):
        compared = [one for one in evidence.comparisons if one.figure == rule.figure]
        if len(compared) != 1:
            return invalid(rule, "loop.gate_no_parent", report=evidence.report)
        difference = compared[0].difference
        found: Found = (difference, _narrowed(difference, compared[0].ci, delta=rule.delta), compared[0].n)
    elif figure.ci is None:
        return invalid(rule, "loop.gate_no_interval", report=evidence.report)
    else:
        found = (figure.value, figure.ci, figure.n)
    value, ci, n = found
    state = "invalid" if n < min_rows else _state(rule, value, ci=ci, better=figure.better)
    code = "loop.gate_few_rows" if n < min_rows else _code(rule)
    return Outcome(rule=rule, state=state, code=code, value=value, ci=ci, n=n, report=evidence.report)


def _state(
    rule: NonInferior | Better | AtLeast | AtMost,
    value: float,
    *,
    ci: tuple[float, float],
    better: Literal["higher", "lower"],
) -> State:
    """The rule against an interval: of the difference for the first two rules, of the figure for the others."""
    if isinstance(rule, AtLeast | AtMost) and rule.by == "value":
        holds = value <= rule.value if isinstance(rule, AtMost) else value >= rule.value
        return "passed" if holds else "failed"
    low, high = ci if better == "higher" or isinstance(rule, AtLeast | AtMost) else (-ci[1], -ci[0])
    if isinstance(rule, NonInferior):
        return _states[non_inferior((low, high), rule.margin)]
    if isinstance(rule, Better):
        return "passed" if low > 0 else "failed" if high < 0 else "inconclusive"
    if isinstance(rule, AtMost):
        low, high, bound = -high, -low, -rule.value
    else:
        bound = rule.value
    return "passed" if low >= bound else "failed" if high < bound else "inconclusive"


def _red_team(rule: NoSafetyLoss, evidence: Evidence, *, min_rows: int) -> Outcome:
    """Lost is lost, however few there are; without a loss, all that the parent passed must have been answered."""
    found = evidence.red_team
    if found is None:
        return invalid(rule, "gates.no_red_team", report=evidence.report)
    facts: dict[str, str | int | float] = {"lost": len(found.lost), "missing": len(found.missing)}
    facts["items"] = _some(found.lost or found.missing)
    state: State
    if found.lost:
        state, code = "failed", "gates.red_team_lost"
    elif found.missing:
        state, code = "invalid", "gates.red_team_missing"
    elif found.n < min_rows:
        state, code = "invalid", "loop.gate_few_rows"
    else:
        state, code = "passed", "gates.red_team_kept"
    return Outcome(
        rule=rule,
        state=state,
        code=code,
        value=float(len(found.lost)),
        n=found.n,
        report=evidence.report,
        facts=facts,
    )


def _slices(rule: SlicesHold, evidence: Evidence) -> Outcome:
    """Worse is shown where the upper end at delta / slices lies below the margin (Bonferroni).

    To prove that all hold, each must hold at delta: an intersection-union test needs no correction (Berger 1982).
    """
    parts = [one for one in evidence.slices if one.name != ALL]
    looked = [one for one in parts if one.n / one.effect >= rule.min_rows]
    if not looked:
        return invalid(rule, "gates.no_slices", report=evidence.report)
    corrected = rule.delta / len(looked)
    worse = [one for one in looked if _interval(one, delta=corrected)[1] < -rule.margin]
    unproven = [one for one in looked if _interval(one, delta=rule.delta)[0] < -rule.margin]
    worst = min(looked, key=lambda one: ((one.won - one.lost) / one.n, one.name))
    state: State = "failed" if worse else "inconclusive" if rule.prove and unproven else "passed"
    facts: dict[str, str | int | float] = {
        "worst": worst.name,
        "slices": len(looked),
        "small": len(parts) - len(looked),
        "worse": _some(tuple(one.name for one in worse)),
    }
    return Outcome(
        rule=rule,
        state=state,
        code="gates.slices_worse" if worse else "gates.slices_hold",
        value=round((worst.won - worst.lost) / worst.n, 10),
        ci=_interval(worst, delta=corrected),
        n=worst.n,
        report=evidence.report,
        facts=facts,
    )


def _sequential(rule: ShownBetter, evidence: Evidence, *, min_rows: int) -> Outcome:
    found = next((one for one in evidence.slices if one.name == ALL), None)
    if found is None:
        return invalid(rule, "loop.gate_no_parent", report=evidence.report)
    won, lost, n = (one / found.effect for one in (found.won, found.lost, found.n))
    tied, needed = n - won - lost, math.log(1 / rule.delta)
    better = round(float(evidence_gain(won, lost, tied=tied, margin=rule.margin)), 6)
    worse = round(float(evidence_gain(lost, won, tied=tied, margin=-rule.margin)), 6)
    state: State = "passed" if better >= needed else "failed" if worse >= needed else "inconclusive"
    few = found.n < min_rows
    ends = least_gain(won, lost, tied=tied, delta=rule.delta), -least_gain(lost, won, tied=tied, delta=rule.delta)
    return Outcome(
        rule=rule,
        state="invalid" if few else state,
        code="loop.gate_few_rows" if few else "gates.shown_better",
        value=round((found.won - found.lost) / found.n, 10) if found.n else None,
        ci=(round(ends[0], 10), round(ends[1], 10)),
        n=found.n,
        report=evidence.report,
        facts={"evidence": better, "needed": round(needed, 6)},
    )


def _more(rule: AtMostMore, evidence: Evidence, *, min_rows: int) -> Outcome:
    """How many percent more than the parent's; the whole interval counts."""
    name = rule.figure
    if _named(evidence.figures, name) is None and rule.instead is not None:
        name = rule.instead
    figure, parent = _named(evidence.figures, name), _named(evidence.parent, name)
    if figure is None:
        return invalid(rule, "loop.gate_no_figure", report=evidence.report)
    compared = [one for one in evidence.comparisons if one.figure == name]
    if len(compared) == 1:
        one = compared[0]
        found = _of_difference(figure.value - one.difference, (one.difference, one.ci, one.n), delta=rule.delta)
    elif parent is None:
        code = "gates.other_machine" if evidence.elsewhere else "loop.gate_no_parent"
        return invalid(rule, code, report=evidence.report)
    else:
        found = _of_both(figure, parent, delta=rule.delta)
    if found is None:
        return invalid(rule, "gates.no_ratio", report=evidence.report)
    value, (low, high), n = (100 * found[0], (100 * found[1][0], 100 * found[1][1]), found[2])
    state: State = "passed" if high <= rule.percent else "failed" if low > rule.percent else "inconclusive"
    few = n < min_rows
    return Outcome(
        rule=rule,
        state="invalid" if few else state,
        code="loop.gate_few_rows" if few else "gates.at_most_more",
        value=round(value, 6),
        ci=(round(low, 6), round(high, 6)),
        n=n,
        report=evidence.report,
        facts={"held": name},
    )


def _of_difference(parent: float, found: Found, *, delta: float) -> Found | None:
    """A paired difference as a share of the parent's value."""
    value, ci, n = found
    if parent <= 0:
        return None
    low, high = _narrowed(value, ci, delta=delta)
    return value / parent, (low / parent, high / parent), n


def _of_both(figure: Figure, parent: Figure, *, delta: float) -> Found | None:
    """The ratio of two independent figures less 1, by the method of variance estimates recovery on the log scale.

    Zou and Donner 2008, "Construction of confidence limits about effect measures": the distances of the two intervals'
    ends from their values add as squares. The intervals of times are those of order statistics.
    """
    if figure.ci is None or parent.ci is None or min(figure.value, parent.value, *figure.ci, *parent.ci) <= 0:
        return None
    (low, high), (less, most) = (tuple(map(math.log, ci)) for ci in (figure.ci, parent.ci))
    mine, theirs, scale = math.log(figure.value), math.log(parent.value), _scale(delta)
    ratio = mine - theirs
    down, up = math.hypot(mine - low, most - theirs), math.hypot(high - mine, theirs - less)
    ends = (math.expm1(ratio - scale * down), math.expm1(ratio + scale * up))
    return math.expm1(ratio), ends, min(figure.n, parent.n)


def _interval(counts: SliceCounts, *, delta: float) -> tuple[float, float]:
    """Of the difference, `delta` on each side."""
    won, lost, n = (one / counts.effect for one in (counts.won, counts.lost, counts.n))
    ends = paired_share_difference(won, lost, n=n, confidence=1 - 2 * delta)
    return round(ends.low, 10), round(ends.high, 10)


def _narrowed(value: float, ci: tuple[float, float], *, delta: float) -> tuple[float, float]:
    """A report's interval for `delta` on each side, wider than an exact one would be for score intervals."""
    if delta == _report_delta:
        return ci
    scale = _scale(delta)
    return value - scale * (value - ci[0]), value + scale * (ci[1] - value)


def _scale(delta: float) -> float:
    normal = NormalDist()
    return 1.0 if delta == _report_delta else normal.inv_cdf(1 - delta) / normal.inv_cdf(1 - _report_delta)


def _named(figures: tuple[Figure, ...], name: str) -> Figure | None:
    return next((one for one in figures if one.name == name), None)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_shown]) + (" …" if len(names) > _shown else "") if names else "-"


def _code(rule: NonInferior | Better | AtLeast | AtMost) -> str:
    by_value = isinstance(rule, AtLeast | AtMost) and rule.by == "value"
    return (_codes_by_value if by_value else _codes)[rule.require]


_states: Mapping[str, State] = MappingProxyType({"yes": "passed", "no": "failed", "inconclusive": "inconclusive"})
_codes: Mapping[str, str] = MappingProxyType(
    {
        "non_inferior": "loop.gate_non_inferior",
        "better": "loop.gate_better",
        "at_least": "loop.gate_at_least",
        "at_most": "loop.gate_at_most",
    }
)
_codes_by_value: Mapping[str, str] = MappingProxyType(
    {"at_least": "gates.at_least_value", "at_most": "gates.at_most_value"}
)
