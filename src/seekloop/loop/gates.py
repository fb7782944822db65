"""The gate before production: rules are data, and the verdict is a pure function of stored figures.

The rules and their digest are in the ledger before the first row of a candidate is scored (`registration`); deciding
again from the stored numbers gives the same bytes (`rehearing`). A rule judges whole intervals, never point values:
with too few rows to tell it is inconclusive, and inconclusive holds. Evidence that is missing, measured on too few
rows, without an interval or of another checkpoint is invalid, and invalid evidence never counts as good.

A rule may name a figure of the report's receipt, such as `first_token_p95_s`: times and sizes are in no report. A rule
`on: business` names one of the project's own figures; what production shows is about no candidate, so a gate must ask
something of the candidate, too. A rule `on: lessons` asks what earlier lessons taught: before there is one it passes,
and says so.

All intervals are the two-sided 95 % ones of the reports, so each rule errs in favour of a candidate in about 2.5 % of
cases, unless it says otherwise (`delta`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from seekloop.artifact.kinds import Comparison, Figure, Receipt, Report
from seekloop.artifact.store import Store
from seekloop.evaluate.efficiency import figures_of
from seekloop.loop import rowwise
from seekloop.loop.outcomes import Evidence, Outcome, State, Stored
from seekloop.loop.registration import Objection
from seekloop.loop.rules import (
    BUSINESS,
    AtLeast,
    AtMost,
    AtMostMore,
    Better,
    GateSpec,
    NonInferior,
    NoSafetyLoss,
    Rule,
    ShownBetter,
    SlicesHold,
)
from seekloop.loop.ruling import invalid, judge
from seekloop.system import errors, settings
from seekloop.system.errors import GateRefused

__all__ = [
    "BUSINESS",
    "FORGETTING",
    "REMEMBERED",
    "AtLeast",
    "AtMost",
    "AtMostMore",
    "Better",
    "Evidence",
    "GateSpec",
    "NoSafetyLoss",
    "NonInferior",
    "Objection",
    "Outcome",
    "Rule",
    "ShownBetter",
    "SlicesHold",
    "Verdict",
    "beside_the_parent",
    "decide",
    "evidence_of",
]

FORGETTING = "forgetting_points"
REMEMBERED = ("macro_recall", "exact_match", "rougeL_zh", "rougeL_en")
"""What `forgetting_points` is made of: the first of these that was compared on the rows."""
_general = "general_points"


class Verdict(Stored):
    """What the gate said of a candidate."""

    decision: Literal["promote", "hold", "roll_back", "inconclusive"]
    """promote: every rule passed. roll_back: a rule was shown to be broken, and the parent stays. hold: evidence is
    invalid, or the rules are not those that were registered. inconclusive: too few rows to tell; it holds too."""
    subject: str | None
    """Id of the candidate; None where the evidence does not agree on one."""
    outcomes: tuple[Outcome, ...]
    """One for each rule, in the order of the rules."""
    rule_digest: str
    """`sha256:HEX` of the gate's spec."""
    objections: tuple[Objection, ...] = ()
    """Why it holds whatever the rules came to."""

    def sentences(self, language: str | None = None) -> list[str]:
        """Why, a sentence an objection and a rule."""
        told = language or settings.language()
        against = [errors.messages("gates")[_name(one)][told].format_map(one.facts) for one in self.objections]
        return [*against, *(outcome.sentence(language) for outcome in self.outcomes)]

    def refusal(self) -> GateRefused:
        """The error that says no.

        Raises:
            ValueError: this verdict says yes.
        """
        if self.decision == "promote":
            raise ValueError("a promotion is no refusal")
        said = self.sentences()
        ours = zip(self.outcomes, said[len(self.objections) :], strict=True)
        reasons = [*said[: len(self.objections)], *(text for one, text in ours if one.state != "passed")]
        return GateRefused("loop.gate_said_no", decision=self.decision, reasons="; ".join(reasons))


def evidence_of(
    reports: Mapping[str, Report],
    *,
    receipts: Mapping[str, Receipt] | None = None,
    business: Sequence[Figure] = (),
    extra: Sequence[Figure] = (),
) -> dict[str, Evidence]:
    """The numbers by the names that rules know them under.

    Args:
        reports: by name; of several baselines only the one in the role `baseline`, the parent, is held against.
        receipts: of the reports, by the same names.
        business: the project's own figures.
        extra: further figures of the candidate, known beside every report, such as `forgetting_points`.
    """
    found: dict[str, Evidence] = {}
    for name, report in reports.items():
        compared = _with_the_parent(report)
        figures = [*report.figures, *(figures_of(receipts[name]) if receipts and name in receipts else ()), *extra]
        named = {one.name for one in figures}
        figures += [one for one in _forgotten(compared) if one.name not in named]
        found[name] = Evidence(report=report.id, subject=report.subject, figures=tuple(figures), comparisons=compared)
    if business:
        found[BUSINESS] = Evidence(report=None, subject=None, figures=tuple(business), comparisons=())
    return found


def beside_the_parent(
    evidence: Evidence, report: Report, *, receipts: tuple[Receipt, Receipt] | None, store: Store
) -> Evidence:
    """The same with what is known row by row, and with the parent's times.

    Args:
        evidence: of the report.
        report: the candidate's.
        receipts: the candidate's and the parent's; None: there is no parent.
        store: holds both reports.

    Raises:
        ArtifactError: a file of either is not in the store.
        DataError: one is damaged.
    """
    parent = rowwise.parent_of(report, store=store)
    if parent is None or receipts is None:
        return evidence
    elsewhere = receipts[0].hardware != receipts[1].hardware
    return evidence.model_copy(
        update={
            "parent": (*parent.figures, *(() if elsewhere else figures_of(receipts[1]))),
            "elsewhere": elsewhere,
            "red_team": rowwise.red_team(report, parent, store=store),
            "slices": rowwise.slices(report, parent, store=store),
        }
    )


def decide(gate: GateSpec, evidence: Mapping[str, Evidence], *, objections: Sequence[Objection] = ()) -> Verdict:
    """Whether the candidate that the evidence is about may go to production."""
    named = {evidence[name].subject for name in {rule.on for rule in gate.rules} & set(evidence)}
    subjects = named - {None}
    subject = subjects.pop() if len(subjects) == 1 else None
    outcomes = tuple(
        invalid(rule, "loop.gate_other_subject")
        if rule.on in evidence and subject is None
        else judge(rule, evidence.get(rule.on), min_rows=gate.min_rows_of(rule))
        for rule in gate.rules
    )
    return Verdict(
        decision="hold" if objections else _decision({outcome.state for outcome in outcomes}),
        subject=subject,
        outcomes=outcomes,
        rule_digest=gate.digest,
        objections=tuple(objections),
    )


def _decision(states: set[State]) -> Literal["promote", "hold", "roll_back", "inconclusive"]:
    if "failed" in states:
        return "roll_back"
    if "invalid" in states:
        return "hold"
    return "inconclusive" if "inconclusive" in states else "promote"


def _with_the_parent(report: Report) -> tuple[Comparison, ...]:
    parent = report.parents.get("baseline")
    return tuple(one for one in report.comparisons if parent is None or one.baseline == parent)


def _forgotten(compared: Sequence[Comparison]) -> list[Figure]:
    """Points lost to the parent, where nobody measured them otherwise.

    On the rows: the difference of macro recalls, so that a rare intent that is lost shows; without labels, of exact
    answers or ROUGE-L. Of the general-skill probe: `general_points`, which stands for the rows where they have neither.
    """
    known = {one.figure: one for one in compared}
    on_rows = next((known[name] for name in REMEMBERED if name in known), None)
    general = known.get("probe_general")
    found = [] if general is None else [_points(_general, general)]
    lost = on_rows or general
    return found if lost is None else [*found, _points(FORGETTING, lost)]


def _points(name: str, one: Comparison) -> Figure:
    value, low, high = (round(0.0 - 100 * part, 8) for part in (one.difference, one.ci[1], one.ci[0]))
    return Figure(name=name, value=value, n=one.n, ci=(low, high), unit="points", better="lower")


def _name(objection: Objection) -> str:
    return objection.code.partition(".")[2]
