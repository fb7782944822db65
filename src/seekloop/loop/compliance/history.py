"""What the ledger holds of a period, counted in one pass; of events that are told one by one, who did what, when, why.

No text is told: of each kind of event only the facts that `TOLD` names, and people by a keyed pseudonym.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seekloop.artifact.journal import since
from seekloop.artifact.ledger import Event, Ledger

__all__ = ["TOLD", "History", "Period", "read_history"]

_rollout = ("reason", "rule_digest", "step")
_guard = ("score", "queries", "days", "reason")
TOLD: Mapping[str, tuple[str, ...]] = {
    "alias.moved": ("target", "version", "reason"),
    "artifact.exported": ("form",),
    "artifact.shredded": ("files", "by", "count"),
    "consent.given": ("reason",),
    "consent.withdrawn": ("reason",),
    "data.subject_erased": ("rows",),
    "erasure.begun": ("artifacts", "checkpoints", "reason"),
    "evidence.made": ("first", "last"),
    "gate.approved": ("rule_digest", "reason"),
    "gate.declined": ("rule_digest", "reason"),
    "gate.registered": ("candidate", "parent", "digest"),
    "gate.verdict": ("decision", "rule_digest"),
    "guard.baseline": _guard,
    "guard.blocked": _guard,
    "guard.lifted": _guard,
    "guard.suspected": _guard,
    "hold.lifted": ("reason",),
    "hold.placed": ("reason",),
    "key.created": ("name", "grant", "expires_at", "reason"),
    "key.revoked": ("reason",),
    "key.rotated": ("former_until", "reason"),
    "loop.cycle": ("state",),
    "loop.triggered": ("trigger", "reason"),
    "passport.key": ("replaces",),
    "payload.erased": ("reason",),
    "payloads.expired": ("until", "reason"),
    "person.erased": ("rows", "lines", "texts", "checkpoints", "releases", "left", "reason"),
    "release.tainted": ("names", "clean"),
    "retention.applied": ("days", "gone", "held"),
    "rollout.aborted": _rollout,
    "rollout.finished": _rollout,
    "rollout.rolled_back": _rollout,
    "rollout.started": _rollout,
    "rollout.stepped": _rollout,
    "row.withdrawn": (),
    "subject.erased": ("payloads", "reason"),
}
"""Kind of an event -> its facts that are told; events of other kinds are only counted."""
_people = ("consent.", "data.", "erasure.", "guard.", "hold.", "person.", "row.", "subject.")
"""Kinds whose subject may be a person."""
_consents = {True: "given", False: "refused", None: "unstated"}


@dataclass(frozen=True, kw_only=True)
class Period:
    """From after `first` until `last`, as the ledger writes times; None: open."""

    first: str | None = None
    last: str | None = None

    @classmethod
    def parse(cls, first: str | None, last: str | None) -> Period:
        """Of ISO 8601 times.

        Raises:
            LedgerError: one is no such time.
        """
        return cls(first=since(first) if first else None, last=since(last) if last else None)

    def holds(self, at: str) -> bool:
        """Whether a moment is in it."""
        return (self.first is None or at > self.first) and not self.is_over(at)

    def is_over(self, at: str) -> bool:
        """Whether a moment is after it."""
        return self.last is not None and at > self.last

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {"after": self.first, "until": self.last}


@dataclass(kw_only=True)
class History:
    """What happened in a period."""

    period: Period
    kinds: Counter[str] = field(default_factory=Counter)
    """Events by kind."""
    actors: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Events that are told by kind and who did it."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Events that are told, in order."""
    texts: Counter[str] = field(default_factory=Counter)
    """Texts that were recorded: `encrypted`, `clear`."""
    safety: Counter[str] = field(default_factory=Counter)
    """Answers: `screened`, `not_screened`, `blocked`, `with_hits`."""
    consent: Counter[str] = field(default_factory=Counter)
    """Answers and feedback by what came with them: `given`, `refused`, `unstated`."""
    policies: Counter[str] = field(default_factory=Counter)
    """Answers by digest of the safety policies."""
    releases: Counter[str] = field(default_factory=Counter)
    """Answers by release."""
    artifacts: Counter[str] = field(default_factory=Counter)
    """Artifacts by kind."""
    made: list[str] = field(default_factory=list)
    """Ids of artifacts."""

    def told(self, kinds: Iterable[str]) -> list[dict[str, Any]]:
        """The rows of some kinds; a kind that ends in a dot is all kinds of that room."""
        wanted = tuple(kinds)
        return [row for row in self.rows if _is_one_of(row["kind"], wanted)]

    def count(self, kinds: Iterable[str]) -> dict[str, int]:
        """How many events of some kinds there were; kinds of which there were none are 0."""
        named = {kind: self.kinds[kind] for kind in kinds if not kind.endswith(".")}
        rooms = tuple(kind for kind in kinds if kind.endswith("."))
        return dict(sorted((named | {kind: n for kind, n in self.kinds.items() if kind.startswith(rooms)}).items()))


def read_history(ledger: Ledger, period: Period) -> History:
    """Count a period.

    Raises:
        LedgerError: an event was changed; it is named.
    """
    found = History(period=period)
    for event in ledger.events():
        if period.holds(event.at):
            _add(found, event, ledger=ledger)
    return found


def _add(found: History, event: Event, *, ledger: Ledger) -> None:
    found.kinds[event.kind] += 1
    if event.kind in ("answer.recorded", "feedback.recorded", "shadow.recorded"):
        found.texts["encrypted" if event.facts.get("key") else "clear"] += 1
    if event.kind in ("answer.recorded", "feedback.recorded"):
        found.consent[_consents[event.facts.get("consent")]] += 1
    if event.kind == "answer.recorded":
        _answered(found, event.facts)
    if event.kind == "artifact.created":
        found.artifacts[event.facts["kind"]] += 1
        found.made.append(event.subject)
    if event.kind in TOLD:
        found.actors[event.kind, _actor(event, ledger=ledger)] += 1
        found.rows.append(_row(event, ledger=ledger))


def _answered(found: History, facts: Mapping[str, Any]) -> None:
    found.releases[facts["release"]] += 1
    safety = facts.get("safety")
    found.safety["not_screened" if safety is None else "screened"] += 1
    if safety is not None:
        found.policies[str(safety.get("policy"))] += 1
        found.safety["blocked"] += safety.get("blocked") is not None
        found.safety["with_hits"] += bool(safety.get("hits"))


def _row(event: Event, *, ledger: Ledger) -> dict[str, Any]:
    is_person = event.kind.startswith(_people)
    subject = _pseudonym(event.subject, ledger=ledger) if is_person else event.subject
    facts = {name: event.facts[name] for name in TOLD[event.kind] if name in event.facts}
    actor = _actor(event, ledger=ledger)
    told = {"seq": event.seq, "at": event.at, "kind": event.kind, "subject": subject, "actor": actor}
    return {**told, "facts": facts, "mac": event.mac}


def _actor(event: Event, *, ledger: Ledger) -> str:
    """Who did it; whoever speaks of their own texts is no operator, and stays unnamed."""
    return _pseudonym(event.actor, ledger=ledger) if event.kind.startswith("consent.") else event.actor


def _pseudonym(name: str, *, ledger: Ledger) -> str:
    """The same for the same name, and only to be made with the ledger's key."""
    return f"pseudonym:{ledger.credentials.tag('evidence', name)}"


def _is_one_of(kind: str, wanted: tuple[str, ...]) -> bool:
    return any(kind.startswith(one) if one.endswith(".") else kind == one for one in wanted)
