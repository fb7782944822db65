"""What people say of candidates that the rules let through: who is waited for, until when, and one answer to a verdict.

Both the command line and the gateway ask here, so that both mean the same by "waiting". Everything is a function of
events: `gate.registered` names who started a cycle, `gate.verdict` carries the rules that it was made by, and
`gate.approved` or `gate.declined` names the verdict that it is about. A later verdict needs an answer of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from seekloop.artifact.ledger import Event, Ledger, Turn
from seekloop.system import digests
from seekloop.system.errors import UsageError

__all__ = [
    "APPROVED",
    "DECLINED",
    "REGISTERED",
    "VERDICT",
    "Asked",
    "Opinion",
    "Standing",
    "Waiting",
    "answer",
    "find",
    "newest_verdicts",
    "registrations",
    "standing",
    "waiting",
]

REGISTERED, VERDICT = "gate.registered", "gate.verdict"
APPROVED, DECLINED = "gate.approved", "gate.declined"

Standing = Literal["promote", "waiting", "declined", "expired", "hold", "roll_back", "inconclusive", "unjudged"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whether a person is asked, and how."""

    required: bool = False
    hours: float = 168.0
    """An approval counts if it is given within so many hours of the verdict."""
    two_persons: bool = False
    """Whoever started the cycle cannot approve what came of it."""

    @classmethod
    def of(cls, verdict: Event, default: Asked) -> Asked:
        """By the rules that a verdict was made by; `default` where it is older than these are kept with it."""
        stored: Mapping[str, Any] | None = verdict.facts.get("gate")
        if stored is None:
            return default
        return cls(
            required=stored.get("approval", "none") == "required",
            hours=float(stored.get("approval_hours", cls.hours)),
            two_persons=bool(stored.get("two_persons", cls.two_persons)),
        )


_nobody = Asked()


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What a person says."""

    agrees: bool
    by: str
    reason: str
    through: Literal["command", "gateway"] = "command"
    """On the command line a name is claimed; the gateway took it from a key or a token."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A candidate that somebody has to answer."""

    candidate: str
    verdict: Event
    until: dt.datetime
    starter: str
    """Who had it measured."""
    two_persons: bool


def standing(candidate: str, default: Asked, *, ledger: Ledger, now: dt.datetime | None = None) -> Standing:
    """Where a candidate stands: its newest verdict, and what became of it.

    Args:
        candidate: id of a checkpoint.
        default: for verdicts that do not carry their rules.
        ledger: the project's.
        now: to tell an approval that is still awaited from one that comes too late; None: it is awaited.
    """
    verdict = _newest(candidate, ledger=ledger)
    return "unjudged" if verdict is None else _standing(verdict, default, ledger=ledger, now=now)


def waiting(*, ledger: Ledger, now: dt.datetime) -> list[Waiting]:
    """Every candidate that somebody has to answer, in the order in which they were first judged."""
    found = []
    for candidate, verdict in newest_verdicts(ledger=ledger).items():
        if _standing(verdict, _nobody, ledger=ledger, now=now) == "waiting":
            asked, starter = Asked.of(verdict, _nobody), _starter(verdict, ledger=ledger)
            found.append(
                Waiting(
                    candidate=candidate,
                    verdict=verdict,
                    until=_until(verdict, asked),
                    starter=starter,
                    two_persons=asked.two_persons,
                )
            )
    return found


def find(beginning: str, *, ledger: Ledger) -> str:
    """The one judged candidate whose id begins so.

    Raises:
        UsageError: there is none, or several.
    """
    known = newest_verdicts(ledger=ledger)
    found = [one for one in known if one.startswith(beginning) or one.partition(":")[2].startswith(beginning)]
    if len(found) != 1:
        names = ", ".join(map(digests.short, known)) or "-"
        raise UsageError("gates.unknown_candidate", candidate=beginning, known=names)
    return found[0]


def answer(candidate: str, opinion: Opinion, *, default: Asked = _nobody, ledger: Ledger, now: dt.datetime) -> Event:
    """Record what a person says of the candidate's newest verdict; said again by the same person, it is nothing new.

    Returns:
        The event that stands.

    Raises:
        UsageError: no such verdict, it asks nobody, somebody answered already, it is too late, or the person started
            the cycle and two are needed.
        LedgerError: somebody answered, or a candidate was judged, at the same moment.
    """
    name, turn = digests.short(candidate), _turn(ledger)
    verdict = _newest(candidate, ledger=ledger)
    if verdict is None or verdict.facts["decision"] != "promote":
        decision = "no verdict" if verdict is None else verdict.facts["decision"]
        raise UsageError("gates.nothing_to_approve", candidate=name, decision=decision)
    asked = Asked.of(verdict, default)
    if not asked.required:
        raise UsageError("gates.no_approval_asked", candidate=name)
    kind, said = APPROVED if opinion.agrees else DECLINED, _said(verdict, ledger=ledger)
    if said is not None and (said.kind, said.actor) == (kind, opinion.by):
        return said
    if said is not None:
        raise UsageError("gates.answered", candidate=name, what=said.kind.removeprefix("gate."), by=said.actor)
    if opinion.agrees and now > _until(verdict, asked):
        raise UsageError("gates.too_late", candidate=name, hours=asked.hours, at=verdict.at[:19])
    if opinion.agrees and asked.two_persons and opinion.by == _starter(verdict, ledger=ledger):
        raise UsageError("gates.same_person", candidate=name, by=opinion.by)
    facts = {
        "verdict": verdict.seq,
        "rule_digest": verdict.facts["rule_digest"],
        "reason": opinion.reason,
        "through": opinion.through,
    }
    return ledger.note_next(kind, candidate, facts=facts, actor=opinion.by, after=turn)


def newest_verdicts(*, ledger: Ledger) -> dict[str, Event]:
    """Candidate -> its newest verdict, in the order in which they were first judged."""
    return {event.subject: event for event in ledger.events(kind=VERDICT)}


def registrations(candidate: str, *, ledger: Ledger) -> list[Event]:
    """What was registered for a candidate, oldest first."""
    return [one for one in ledger.events(kind=REGISTERED) if one.facts.get("candidate") == candidate]


def _newest(candidate: str, *, ledger: Ledger) -> Event | None:
    return max(ledger.events(kind=VERDICT, subject=candidate), key=lambda one: one.seq, default=None)


def _standing(verdict: Event, default: Asked, *, ledger: Ledger, now: dt.datetime | None) -> Standing:
    asked = Asked.of(verdict, default)
    decision: Standing = verdict.facts["decision"]
    if decision != "promote" or not asked.required:
        return decision
    until, said = _until(verdict, asked), _said(verdict, ledger=ledger)
    if said is not None and said.kind == DECLINED:
        return "declined"
    alone = asked.two_persons and said is not None and said.actor == _starter(verdict, ledger=ledger)
    if said is not None and _at(said) <= until and not alone:
        return "promote"
    return "expired" if now is not None and now > until else "waiting"


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


def _until(verdict: Event, asked: Asked) -> dt.datetime:
    return _at(verdict) + dt.timedelta(hours=asked.hours)


def _at(event: Event) -> dt.datetime:
    return dt.datetime.fromisoformat(event.at)
