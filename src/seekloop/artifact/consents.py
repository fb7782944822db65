"""Whether it may be learnt from an answer: what the request said, what feedback says, what is said or taken back later.

The newest statement about an answer counts. A request speaks of its own answer. Feedback that says no is about its
answer whoever gives it; feedback that says yes only if it comes from the caller and user that the answer was given to,
since nobody else can allow it. A later statement is an event, about one answer, or about a tenant, a caller or a user,
who are named by a pseudonym. What nobody spoke of is left to whoever learns.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seekloop.artifact.journal import since
from seekloop.artifact.ledger import Answer, Feedback, Ledger
from seekloop.artifact.payloads import subject_name
from seekloop.artifact.records import Event
from seekloop.system.errors import LedgerError

__all__ = ["GIVEN", "WITHDRAWN", "Statement", "state", "statements"]

GIVEN, WITHDRAWN = "consent.given", "consent.withdrawn"
_answer = "ans_"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The newest thing that was said of learning from an answer."""

    answer: str
    allowed: bool
    by: str
    """Where it stands in the ledger: `request` (the answer's own event), `feedback ID`, or `event NUMBER`."""


def state(ledger: Ledger, about: str, *, allowed: bool, actor: str, reason: str) -> None:
    """Record that it may be learnt from something from now on, or no longer.

    Args:
        ledger: where it stands from then on.
        about: an answer's id, or a subject as `payloads.subject_name` writes it.
        allowed: whether it may.
        actor: who says so.
        reason: why, for people.

    Raises:
        LedgerError: there is no such answer.
    """
    if about.startswith(_answer) and ledger.answered(about) is None:
        raise LedgerError("artifact.no_answer", id=about)
    subject = about if about.startswith(_answer) else ledger.scope(about)
    ledger.note(GIVEN if allowed else WITHDRAWN, subject, facts={"reason": reason}, actor=actor)


def statements(ledger: Ledger, answers: Iterable[Answer], *, feedback: Iterable[Feedback]) -> list[Statement]:
    """What counts for each answer that somebody said something of, in the order of `answers`."""
    later: dict[str, Event] = {event.subject: event for event in ledger.events(kind=(GIVEN, WITHDRAWN))}
    heard: dict[str, list[Feedback]] = {}
    for one in feedback:
        if one.consent is not None:
            heard.setdefault(one.answer, []).append(one)
    found = (_newest(answer, heard.get(answer.id, ()), later=later, ledger=ledger) for answer in answers)
    return [one for one in found if one is not None]


def _newest(
    answer: Answer, heard: Iterable[Feedback], *, later: Mapping[str, Event], ledger: Ledger
) -> Statement | None:
    said: list[tuple[str, bool, str]] = []
    if answer.consent is not None:
        said.append((since(answer.at), answer.consent, "request"))
    for one in heard:
        if one.consent is False or _is_theirs(one, answer):
            said.append((since(one.at), bool(one.consent), f"feedback {one.id}"))
    if later:
        about = [answer.id, *(ledger.scope(name) for name in _subjects(answer))]
        events = [later[name] for name in about if name in later]
        said += [(event.at, event.kind == GIVEN, f"event {event.seq}") for event in events]
    if not said:
        return None
    # At the same moment, no counts.
    _, allowed, by = max(said, key=lambda one: (dt.datetime.fromisoformat(one[0]), not one[1]))
    return Statement(answer=answer.id, allowed=allowed, by=by)


def _is_theirs(feedback: Feedback, answer: Answer) -> bool:
    """Whether feedback comes from whom the answer was given to."""
    parts = _parts(answer)
    user = parts[2] if len(parts) > 2 else None
    return feedback.caller == answer.caller and feedback.user in (None, user)


def _parts(answer: Answer) -> list[str]:
    return (answer.subject or subject_name("local", answer.caller)).split("/")


def _subjects(answer: Answer) -> list[str]:
    """Tenant, tenant/caller, tenant/caller/user."""
    parts = _parts(answer)
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
