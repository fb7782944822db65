"""The gate before production: rules are data, and the verdict is a pure function of stored figures.

The rules' digest is part of the verdict, so it shows what was asked before the candidate was measured; deciding again
from the same reports gives the same bytes. A rule judges whole intervals, never point values: with too few rows to
tell it is inconclusive, and inconclusive holds. Evidence that is missing, measured on too few rows, without an interval
or of another checkpoint is invalid, and invalid evidence never counts as good.

A rule may name a figure of the report's receipt, such as `first_token_p95_s`: times and sizes are in no report. A rule
`on: business` names one of the project's own figures; what production shows is about no candidate, so a gate must ask
something of the candidate, too.

All intervals are the two-sided 95 % ones of the reports, so each rule errs in favour of a candidate in about 2.5 % of
cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from seekloop.artifact.kinds import Comparison, Figure, Receipt, Report
from seekloop.evaluate.efficiency import figures_of
from seekloop.metrics.significance import non_inferior
from seekloop.system import errors, settings
from seekloop.system.errors import GateRefused
from seekloop.system.spec import Spec

__all__ = [
    "BUSINESS",
    "AtLeast",
    "AtMost",
    "Better",
    "Evidence",
    "GateSpec",
    "NonInferior",
    "Outcome",
    "Rule",
    "Verdict",
    "decide",
    "evidence_of",
]

BUSINESS = "business"
"""Name of the evidence that production and other systems give: the project's `kpis`."""

State = Literal["passed", "failed", "inconclusive", "invalid"]


class _OneFigure(Spec):
    figure: str
    """Name of the figure in the report, for example `accuracy`, in its receipt, or of a business figure."""
    on: str = "frozen"
    """Which evidence: `frozen` is the first round's test split, `lesson` the rows that production sent back, `business`
    the project's `kpis`."""


class NonInferior(_OneFigure):
    """Not worse than the parent by more than a margin, on the same rows."""

    require: Literal["non_inferior"] = "non_inferior"
    margin: float = Field(ge=0)
    """The loss that is still acceptable, in the figure's own unit: 0.03 is three points."""


class Better(_OneFigure):
    """Better than the parent, on the same rows."""

    require: Literal["better"] = "better"


class AtLeast(_OneFigure):
    """A figure whose whole interval is at or above a value."""

    require: Literal["at_least"] = "at_least"
    value: float
    """The floor."""


class AtMost(_OneFigure):
    """A figure whose whole interval is at or below a value."""

    require: Literal["at_most"] = "at_most"
    value: float
    """The ceiling."""


Rule = Annotated[NonInferior | Better | AtLeast | AtMost, Field(discriminator="require")]


class GateSpec(Spec):
    """What a candidate must show before it is promoted: every rule."""

    rules: tuple[Rule, ...] = Field(
        default=(NonInferior(figure="accuracy", margin=0.03), Better(figure="accuracy", on="lesson")), min_length=1
    )
    """All of them must pass."""
    min_rows: int = Field(default=10, ge=1)
    """Evidence on fewer rows is invalid."""

    @model_validator(mode="after")
    def _asks_of_the_candidate(self) -> Self:
        if all(rule.on == BUSINESS for rule in self.rules):
            raise ValueError("rules on business alone ask nothing of the candidate")
        return self


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Outcome(_Stored):
    """What one rule came to."""

    rule: Rule
    state: State
    code: str
    """Which sentence says why: a table of `loop.toml`."""
    value: float | None = None
    """The figure, or its difference to the parent's."""
    ci: tuple[float, float] | None = None
    n: int | None = None
    report: str | None = None
    """Id of the report that the numbers are from."""

    def sentence(self, language: str | None = None) -> str:
        """Why, in one sentence in `language` ("en" or "zh"; default: the user's)."""
        template = errors.messages("loop")[self.code.removeprefix("loop.")][language or settings.language()]
        low, high = self.ci or (float("nan"), float("nan"))
        numbers = {"value": self.value, "low": f"{low:.3f}", "high": f"{high:.3f}", "n": self.n}
        return template.format_map({**self.rule.model_dump(), "bound": _bound(self.rule), **numbers})


class Verdict(_Stored):
    """What the gate said of a candidate."""

    decision: Literal["promote", "hold", "reject", "inconclusive"]
    """promote: every rule passed. reject: a rule failed. hold: none failed, but evidence is invalid. inconclusive:
    none failed, but too few rows to tell; it holds too."""
    subject: str | None
    """Id of the candidate; None where the evidence does not agree on one."""
    outcomes: tuple[Outcome, ...]
    """One for each rule, in the order of the rules."""
    rule_digest: str
    """`sha256:HEX` of the gate's spec."""

    def sentences(self, language: str | None = None) -> list[str]:
        """Why, a sentence a rule."""
        return [outcome.sentence(language) for outcome in self.outcomes]

    def refusal(self) -> GateRefused:
        """The error that says no.

        Raises:
            ValueError: this verdict says yes.
        """
        if self.decision == "promote":
            raise ValueError("a promotion is no refusal")
        reasons = [outcome.sentence() for outcome in self.outcomes if outcome.state != "passed"]
        return GateRefused("loop.gate_said_no", decision=self.decision, reasons="; ".join(reasons))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The stored numbers of one report and its receipt, or the business figures."""

    report: str | None
    """Id of the report; None: the numbers are of none."""
    subject: str | None
    """Id of the checkpoint that they are about; None: of none."""
    figures: tuple[Figure, ...]
    comparisons: tuple[Comparison, ...]


def evidence_of(
    reports: Mapping[str, Report],
    *,
    receipts: Mapping[str, Receipt] | None = None,
    business: Sequence[Figure] = (),
) -> dict[str, Evidence]:
    """The numbers by the names that rules know them under.

    Args:
        reports: by name; of several baselines only the one in the role `baseline`, the parent, is held against.
        receipts: of the reports, by the same names.
        business: the project's own figures.
    """
    found = {
        name: Evidence(
            report=report.id,
            subject=report.subject,
            figures=(*report.figures, *(figures_of(receipts[name]) if receipts and name in receipts else ())),
            comparisons=_with_the_parent(report),
        )
        for name, report in reports.items()
    }
    if business:
        found[BUSINESS] = Evidence(report=None, subject=None, figures=tuple(business), comparisons=())
    return found


def _with_the_parent(report: Report) -> tuple[Comparison, ...]:
    parent = report.parents.get("baseline")
    return tuple(one for one in report.comparisons if parent is None or one.baseline == parent)


def decide(gate: GateSpec, evidence: Mapping[str, Evidence]) -> Verdict:
    """Whether the candidate that the evidence is about may go to production."""
    named = {evidence[name].subject for name in {rule.on for rule in gate.rules} & set(evidence)}
    subjects = named - {None}
    subject = subjects.pop() if len(subjects) == 1 else None
    outcomes = tuple(
        _invalid(rule, "loop.gate_other_subject")
        if rule.on in evidence and subject is None
        else _judge(rule, evidence.get(rule.on), min_rows=gate.min_rows)
        for rule in gate.rules
    )
    return Verdict(
        decision=_decision({outcome.state for outcome in outcomes}),
        subject=subject,
        outcomes=outcomes,
        rule_digest=gate.digest,
    )


def _decision(states: set[State]) -> Literal["promote", "hold", "reject", "inconclusive"]:
    if "failed" in states:
        return "reject"
    if "invalid" in states:
        return "hold"
    return "inconclusive" if "inconclusive" in states else "promote"


def _judge(rule: Rule, evidence: Evidence | None, *, min_rows: int) -> Outcome:
    if evidence is None:
        return _invalid(rule, "loop.gate_no_evidence")
    figure = next((one for one in evidence.figures if one.name == rule.figure), None)
    if figure is None:
        return _invalid(rule, "loop.gate_no_figure", report=evidence.report)
    if isinstance(rule, NonInferior | Better):
        compared = [one for one in evidence.comparisons if one.figure == rule.figure]
        if len(compared) != 1:
            return _invalid(rule, "loop.gate_no_parent", report=evidence.report)
        found: tuple[float, tuple[float, float], int] = (compared[0].difference, compared[0].ci, compared[0].n)
    elif figure.ci is None:
        return _invalid(rule, "loop.gate_no_interval", report=evidence.report)
    else:
        found = (figure.value, figure.ci, figure.n)
    value, ci, n = found
    state = "invalid" if n < min_rows else _state(rule, ci, better=figure.better)
    code = "loop.gate_few_rows" if n < min_rows else _codes[rule.require]
    return Outcome(rule=rule, state=state, code=code, value=value, ci=ci, n=n, report=evidence.report)


def _state(rule: Rule, ci: tuple[float, float], *, better: Literal["higher", "lower"]) -> State:
    """The rule against an interval: of the difference for the first two rules, of the figure for the others."""
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


def _invalid(rule: Rule, code: str, *, report: str | None = None) -> Outcome:
    return Outcome(rule=rule, state="invalid", code=code, report=report)


def _bound(rule: Rule) -> float | None:
    """The number in the rule itself."""
    if isinstance(rule, NonInferior):
        return rule.margin
    return None if isinstance(rule, Better) else rule.value


_states: dict[str, State] = {"yes": "passed", "no": "failed", "inconclusive": "inconclusive"}
_codes = {
    "non_inferior": "loop.gate_non_inferior",
    "better": "loop.gate_better",
    "at_least": "loop.gate_at_least",
    "at_most": "loop.gate_at_most",
}
