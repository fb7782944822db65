"""What a person says of a candidate that the rules let through: approved or declined, in the ledger, by name.

An approval is of one verdict: its event names the verdict's number, and a later verdict needs an approval of its own.
Whoever writes their name on the command line claims it, and does not prove it; the ledger proves that nobody changed
it afterwards.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.ledger import Event, Ledger, Turn
from seekloop.loop.project import ProjectSpec
from seekloop.loop.registration import registrations
from seekloop.loop.rules import GateSpec
from seekloop.system import digests
from seekloop.system.errors import UsageError

__all__ = ["APPROVED", "DECLINED", "VERDICT", "answer", "approved", "newest_verdict", "standing"]

VERDICT = "gate.verdict"
APPROVED, DECLINED = "gate.approved", "gate.declined"

Standing = Literal["promote", "waiting", "declined", "expired", "hold", "roll_back", "inconclusive", "unjudged"]


def approved(
    candidate: Checkpoint, spec: ProjectSpec, *, ledger: Ledger, now: dt.datetime | None = None
) -> bool | None:
    """Whether a candidate may go into production as far as people are concerned.

    Ask after `evidence.judge` said promote. A pure function of events (and of `now`, where given).

    Args:
        candidate: the checkpoint that was judged.
        spec: the project's.
        ledger: the project's.
        now: to tell an approval that is still awaited from one that comes too late; None: it is awaited.

    Returns:
        True: the rules ask for no approval and said promote, or somebody approved in time. None: somebody has to, and
        nobody did yet. False: declined, too late, or there is no verdict that says promote.
    """
    stands = standing(candidate.id, spec.gate, ledger=ledger, now=now)
    return None if stands == "waiting" else stands == "promote"


def standing(candidate: str, gate: GateSpec, *, ledger: Ledger, now: dt.datetime | None = None) -> Standing:
    """Where a candidate stands: its newest verdict, and what became of it."""
    verdict = newest_verdict(candidate, ledger=ledger)
    if verdict is None:
        return "unjudged"
    gate = _gate_of(verdict, gate)
    decision: Standing = verdict.facts["decision"]
    if decision != "promote" or gate.approval == "none":
        return decision
    until = _until(verdict, gate)
    said = _said(verdict, ledger=ledger)
    if said is not None and said.kind == DECLINED:
        return "declined"
    starter = _starter(verdict, ledger=ledger)
    if said is not None and _at(said) <= until and not (gate.two_persons and said.actor == starter):
        return "promote"
    return "expired" if now is not None and now > until else "waiting"


def answer(
    candidate: str, gate: GateSpec, *, agrees: bool, by: str, reason: str, ctx: RunContext
) -> Literal["approved", "declined"]:
    """Record what a person says; it counts for the candidate's newest verdict.

    Raises:
        UsageError: no such verdict, it asks nobody, somebody answered already, it is too late, or the person started
            the cycle and two are needed.
        LedgerError: somebody answered, or the candidate was judged again, at the same moment.
    """
    ledger, name = ctx.ledger, digests.short(candidate)
    turn = _turn(ledger)
    verdict = newest_verdict(candidate, ledger=ledger)
    if verdict is None or verdict.facts["decision"] != "promote":
        decision = "no verdict" if verdict is None else verdict.facts["decision"]
        raise UsageError("gates.nothing_to_approve", candidate=name, decision=decision)
    gate = _gate_of(verdict, gate)
    if gate.approval == "none":
        raise UsageError("gates.no_approval_asked", candidate=name)
    said = _said(verdict, ledger=ledger)
    if said is not None:
        raise UsageError("gates.answered", candidate=name, what=said.kind.removeprefix("gate."), by=said.actor)
    if agrees and ctx.clock.now() > _until(verdict, gate):
        raise UsageError("gates.too_late", candidate=name, hours=gate.approval_hours, at=verdict.at[:19])
    if agrees and gate.two_persons and by == _starter(verdict, ledger=ledger):
        raise UsageError("gates.same_person", candidate=name, by=by)
    facts = {"verdict": verdict.seq, "rule_digest": verdict.facts["rule_digest"], "reason": reason}
    ledger.note_next(APPROVED if agrees else DECLINED, candidate, facts=facts, actor=by, after=turn)
    return "approved" if agrees else "declined"


def newest_verdict(candidate: str, *, ledger: Ledger) -> Event | None:
    """The last thing that the gate said of a candidate."""
    return max(ledger.events(kind=VERDICT, subject=candidate), key=lambda one: one.seq, default=None)


def _gate_of(verdict: Event, gate: GateSpec) -> GateSpec:
    """The rules that it was judged by: what the project file says by now takes no approval away."""
    stored = verdict.facts.get("gate")
    return gate if stored is None else GateSpec.stored(stored)


def _said(verdict: Event, *, ledger: Ledger) -> Event | None:
    """The last answer to a verdict."""
    answers = ledger.events(kind=[APPROVED, DECLINED], subject=verdict.subject, after=verdict.seq)
    found = [one for one in answers if one.facts.get("verdict") == verdict.seq]
    return found[-1] if found else None


def _turn(ledger: Ledger) -> Turn:
    kinds = (VERDICT, APPROVED, DECLINED)
    return Turn(kinds=kinds, seq=max((event.seq for event in ledger.events(kind=kinds)), default=0))


def _starter(verdict: Event, *, ledger: Ledger) -> str:
    """Who had the candidate measured: whoever registered the rules for it; else who judged it."""
    known = [one for one in registrations(verdict.subject, ledger=ledger) if one.seq < verdict.seq]
    return known[-1].actor if known else verdict.actor


def _until(verdict: Event, gate: GateSpec) -> dt.datetime:
    return _at(verdict) + dt.timedelta(hours=gate.approval_hours)


def _at(event: Event) -> dt.datetime:
    return dt.datetime.fromisoformat(event.at)
