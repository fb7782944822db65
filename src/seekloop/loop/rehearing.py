"""A verdict made again from what is stored: the same numbers from the reports, the same bytes from the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Figure, Receipt, Report
from seekloop.artifact.ledger import Event
from seekloop.loop import registration, rowwise
from seekloop.loop.gates import Evidence, GateSpec, Verdict, beside_the_parent, decide, evidence_of
from seekloop.loop.outcomes import NOTHING
from seekloop.system import digests
from seekloop.system.errors import UsageError

__all__ = ["Again", "again", "gather", "heard", "made", "stored"]

StoredT = TypeVar("StoredT", bound=BaseModel)

_heard = ("gate", "evidence", "reports", "business", "extra")


@dataclass(frozen=True, kw_only=True)
class Again:
    """A stored verdict beside the one that is made now."""

    stored: Verdict
    same_verdict: bool
    """Whether the stored rules and numbers give the stored verdict, byte for byte."""
    same_evidence: bool
    """Whether the reports in the store, and their receipts, give the stored numbers, byte for byte."""
    same_objections: bool
    """Whether the ledger's order of events gives the stored objections."""

    @property
    def same(self) -> bool:
        """All of it."""
        return self.same_verdict and self.same_evidence and self.same_objections


def gather(
    gate: GateSpec,
    reports: Mapping[str, Report | None],
    *,
    business: Sequence[Figure] = (),
    extra: Sequence[Figure] = (),
    ctx: RunContext,
) -> dict[str, Evidence]:
    """What these rules look at, from the store and from the receipts that the ledger signed.

    Args:
        gate: the rules.
        reports: by name; None: there was nothing to measure on, which is known, too.
        business: the project's own figures.
        extra: further figures of the candidate.
        ctx: of the run.

    Raises:
        ArtifactError: a file of a report or of its parent's is not in the store.
        DataError: one is damaged.
    """
    there = made(reports)
    receipts = {name: _receipt(one.id, ctx) for name, one in there.items()}
    found = evidence_of(there, receipts=receipts, business=business, extra=extra)
    found |= {name: NOTHING for name in reports if name not in there}
    for name, report in there.items():
        parent = rowwise.parent_of(report, store=ctx.store)
        both = None if parent is None else (receipts[name], _receipt(parent.id, ctx))
        found[name] = beside_the_parent(found[name], report, receipts=both, store=ctx.store)
    return {name: one.only([rule for rule in gate.rules if rule.on == name]) for name, one in found.items()}


def heard(
    gate: GateSpec,
    evidence: Mapping[str, Evidence],
    *,
    reports: Mapping[str, Report | None],
    business: Sequence[Figure] = (),
    extra: Sequence[Figure] = (),
) -> dict[str, Any]:
    """All that a verdict was decided from, as JSON for its event."""
    return {
        "gate": gate.model_dump(mode="json"),
        "evidence": {name: one.model_dump(mode="json") for name, one in sorted(evidence.items())},
        "reports": {name: None if one is None else one.id for name, one in sorted(reports.items())},
        "business": [one.model_dump(mode="json") for one in business],
        "extra": [one.model_dump(mode="json") for one in extra],
    }


def again(event: Event, *, ctx: RunContext) -> Again:
    """Make a `gate.verdict` again.

    Raises:
        UsageError: the event is of before verdicts kept what they were decided from.
        ArtifactError: a report is not in the store, or not whole.
    """
    facts = event.facts
    if any(name not in facts for name in _heard):
        raise UsageError("gates.not_replayable", candidate=digests.short(event.subject), at=event.at[:19])
    told = stored(event)
    gate = GateSpec.stored(facts["gate"])
    evidence = {name: _from(Evidence, one) for name, one in facts["evidence"].items()}
    now = decide(gate, evidence, objections=told.objections)
    reports = {name: None if one is None else ctx.store.open(one, Report) for name, one in facts["reports"].items()}
    business, extra = ([_from(Figure, one) for one in facts[name]] for name in ("business", "extra"))
    found = gather(gate, reports, business=business, extra=extra, ctx=ctx) if reports else {}
    objected = registration.objections(gate, event.subject, reports=made(reports), ledger=ctx.ledger)
    return Again(
        stored=told,
        same_verdict=_bytes(now) == _bytes(told),
        same_evidence=_all(found) == digests.canonical(facts["evidence"]),
        # Without reports there was an outage, which nobody can have again.
        same_objections=not reports or tuple(objected) == told.objections,
    )


def made(reports: Mapping[str, Report | None]) -> dict[str, Report]:
    """The reports that there are."""
    return {name: one for name, one in reports.items() if one is not None}


def stored(event: Event) -> Verdict:
    """The verdict in its event."""
    return Verdict.model_validate_json(digests.canonical({k: v for k, v in event.facts.items() if k not in _heard}))


def _receipt(identity: str, ctx: RunContext) -> Receipt:
    recorded = ctx.ledger.created(identity)
    return ctx.store.receipt(identity) if recorded is None else Receipt.model_validate(recorded.facts["receipt"])


def _from(kind: type[StoredT], value: Any) -> StoredT:
    return kind.model_validate_json(digests.canonical(value))


def _bytes(verdict: Verdict) -> bytes:
    return digests.canonical(verdict.model_dump(mode="json"))


def _all(evidence: Mapping[str, Evidence]) -> bytes:
    return digests.canonical({name: one.model_dump(mode="json") for name, one in evidence.items()})
