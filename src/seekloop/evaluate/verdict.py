"""Whether a candidate is better than another model, in one sentence: a pure function of what was measured.

The figures and margins are declared in the spec before anything is measured. The declared figures' p-values are
corrected together (Holm), so that between two equal models a verdict other than "inconclusive" or "not worse" comes at
most once in twenty times, however many figures are declared. Nothing is called better or worse whose interval holds 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from seekloop.artifact.kinds import Report
from seekloop.artifact.store import Store
from seekloop.evaluate.compare_spec import CompareSpec
from seekloop.metrics.multiplicity import holm
from seekloop.metrics.power import rows_to_decide
from seekloop.metrics.significance import non_inferior
from seekloop.system import digests, errors, settings

__all__ = ["FILE", "Judged", "Measured", "SliceDifference", "State", "Verdict", "decide", "read", "write"]

FILE = "verdict.json"
"""In the report's folder."""

State = Literal["better", "not_worse", "worse", "inconclusive", "invalid"]
"""better, worse: the interval lies on one side of 0 and the corrected p-value is at most 0.05. not_worse: the whole
interval is within the margin. inconclusive: too few rows to tell. invalid: not measured, or on too few rows."""

_level = 0.05
_preferred = ("accuracy", "rougeL_zh", "rougeL_en", "exact_match")


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Measured(_Stored):
    """One figure of two models on the same rows."""

    figure: str
    values: tuple[float, float]
    """The subject's and the baseline's, on the shared rows."""
    difference: float
    """Subject minus baseline."""
    ci: tuple[float, float]
    """95 % paired interval of the difference."""
    p_value: float
    n: int
    """Shared rows."""
    groups: int
    """Groups of rows; n where each stands for itself."""
    better: Literal["higher", "lower"] = "higher"
    unit: str = "share"


class SliceDifference(_Stored):
    """A slice of the rows in which the two models differ, corrected over all slices that were looked at."""

    name: str
    """`label=card_lost`, `language=zh`."""
    difference: float
    ci: tuple[float, float]
    q_value: float
    """Benjamini and Hochberg's: of slices shown at 0.05, one in twenty differs by chance."""
    n: int


class Judged(_Stored):
    """What one declared figure came to."""

    figure: str
    role: Literal["primary", "guard"]
    margin: float
    state: State
    measured: Measured | None = None
    """None: it was not measured on both."""
    p_adjusted: float | None = None
    """Holm's, over all declared figures."""
    rows_needed: int | None = None
    """Rows in all that would tell; None where this many do, or nothing was measured."""


class Verdict(_Stored):
    """What a comparison with one baseline came to."""

    baseline: str
    """Id of the other report."""
    state: State
    """The primary figure's, unless a guard is worse or invalid."""
    decided_by: str
    """The figure that the state comes from."""
    outcomes: tuple[Judged, ...]
    """The primary figure first, then the guards in their order."""
    slices: tuple[SliceDifference, ...] = ()
    """Where the two differ; empty where no slice shows it."""
    slices_seen: int = 0
    """Slices looked at."""
    spec_digest: str
    """`sha256:HEX` of what was declared."""

    def sentence(self, language: str | None = None, *, name: str | None = None) -> str:
        """The verdict in one sentence in `language` ("en" or "zh"; default: the user's).

        Args:
            language: of the sentence; figures keep their names.
            name: what to call the baseline; default: its digest.
        """
        judged = next(one for one in self.outcomes if one.figure == self.decided_by)
        told = language or settings.language()
        template = errors.messages("evaluate")[_codes[self.state].partition(".")[2]][told]
        return template.format_map({**_facts(judged, told), "name": name or digests.short(self.baseline)})


def decide(
    spec: CompareSpec,
    measured: Sequence[Measured],
    *,
    baseline: str,
    slices: Sequence[SliceDifference] = (),
    slices_seen: int = 0,
) -> Verdict:
    """The verdict on what was measured against one baseline.

    Args:
        spec: the declared figures and margins.
        measured: every figure that both reports have.
        baseline: id of the other report.
        slices: where the two differ.
        slices_seen: slices that were looked at.
    """
    known = {one.figure: one for one in measured}
    primary = _primary(spec, measured)
    declared = {primary: spec.margin} | {name: margin for name, margin in spec.guards.items() if name != primary}
    valid = [name for name in declared if name in known and known[name].groups >= spec.min_rows]
    adjusted = dict(zip(valid, holm([known[name].p_value for name in valid]), strict=True))
    outcomes = tuple(
        _judge(
            name,
            known.get(name),
            role="primary" if name == primary else "guard",
            margin=margin,
            p_adjusted=adjusted.get(name),
            questions=len(valid),
            power=spec.power,
        )
        for name, margin in declared.items()
    )
    deciding = next((one for state in ("worse", "invalid") for one in outcomes if one.state == state), outcomes[0])
    return Verdict(
        baseline=baseline,
        state=deciding.state,
        decided_by=deciding.figure,
        outcomes=outcomes,
        slices=tuple(slices),
        slices_seen=slices_seen,
        spec_digest=spec.digest,
    )


def write(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write verdicts as JSON, each with its sentence in both languages beside it."""
    told = [
        {**one.model_dump(mode="json"), "sentence": {name: one.sentence(name) for name in ("en", "zh")}}
        for one in verdicts
    ]
    path.write_text(json.dumps({"verdicts": told}, ensure_ascii=False, indent=1) + "\n", "utf-8")


def read(report: Report, *, store: Store) -> tuple[Verdict, ...]:
    """The verdicts of a report; none where it was compared with nothing.

    Raises:
        ArtifactError: the report is not in the store.
    """
    if FILE not in report.files:
        return ()
    told: list[dict[str, Any]] = json.loads(store.path(report.id, FILE).read_text("utf-8"))["verdicts"]
    return tuple(
        Verdict.model_validate({key: value for key, value in one.items() if key != "sentence"}) for one in told
    )


def _primary(spec: CompareSpec, measured: Sequence[Measured]) -> str:
    """The declared figure, or the first of the usual ones; of ROUGE-L the one with more rows."""
    if spec.primary != "auto":
        return spec.primary
    usual = [one for one in measured if one.figure in _preferred]
    if not usual:
        return _preferred[0]
    by_kind = {"accuracy": 2, "exact_match": 0}
    best = max(usual, key=lambda one: (by_kind.get(one.figure, 1), one.n, -_preferred.index(one.figure)))
    return best.figure


def _judge(
    name: str,
    measured: Measured | None,
    *,
    role: Literal["primary", "guard"],
    margin: float,
    p_adjusted: float | None,
    questions: int,
    power: float,
) -> Judged:
    if measured is None or p_adjusted is None:
        return Judged(figure=name, role=role, margin=margin, state="invalid", measured=measured)
    low, high = measured.ci if measured.better == "higher" else (-measured.ci[1], -measured.ci[0])
    shown = p_adjusted <= _level
    state: State = "inconclusive"
    if shown and low > 0:
        state = "better"
    elif non_inferior((low, high), margin) == "yes":
        state = "not_worse"
    elif shown and high < 0:
        state = "worse"
    rows = None
    if state == "inconclusive":
        rows = rows_to_decide((low, high), n=measured.n, margin=margin, questions=questions, power=power)
        rows = max(rows, measured.n + 1)
    return Judged(
        figure=name,
        role=role,
        margin=margin,
        state=state,
        measured=measured,
        p_adjusted=p_adjusted,
        rows_needed=rows,
    )


def _facts(judged: Judged, language: str) -> Mapping[str, Any]:
    """What the sentences may name: differences with their signs, those of shares in points."""
    measured = judged.measured
    unit = "share" if measured is None else measured.unit
    scale = 100.0 if unit == "share" else 1.0
    facts = {
        "figure": judged.figure,
        "margin": f"{scale * judged.margin:g}",
        "n": measured.n if measured else 0,
        "unit": _units[language].get(unit, unit),
    }
    if measured is None:
        return facts
    low, high = measured.ci
    p_value = 1.0 if judged.p_adjusted is None else judged.p_adjusted
    return facts | {
        "difference": f"{scale * measured.difference:+.1f}",
        "low": f"{scale * low:+.1f}",
        "high": f"{scale * high:+.1f}",
        "value": f"{measured.values[0]:.3f}",
        "before": f"{measured.values[1]:.3f}",
        "p": "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}",
        "more": f"{(judged.rows_needed or measured.n) - measured.n:,}",
    }


_units: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"en": {"share": "points"}, "zh": {"share": "个百分点", "points": "分", "tokens": "个词元"}}
)
_codes: dict[State, str] = {
    "better": "evaluate.verdict_better",
    "not_worse": "evaluate.verdict_not_worse",
    "worse": "evaluate.verdict_worse",
    "inconclusive": "evaluate.verdict_inconclusive",
    "invalid": "evaluate.verdict_invalid",
}
