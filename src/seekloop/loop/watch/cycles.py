"""What the ledger's events say of the loop's cycles: a fold, so that everybody who reads them knows the same.

triggered -> begun -> learned -> built -> measured -> judged -> (waiting) -> released -> (rolling) -> promoted
                                                                or, from anywhere: held, rolled_back, failed
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.ledger import Event, Ledger

__all__ = ["CYCLE", "ENDS", "TRIGGERED", "Change", "Cycle", "cycles_of", "fold"]

TRIGGERED, CYCLE = "loop.triggered", "loop.cycle"
ENDS = ("promoted", "held", "rolled_back", "failed")
"""States that a cycle ends in."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that happened to a cycle."""

    seq: int
    at: str
    actor: str
    state: str
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """A cycle, as far as it has come."""

    id: str
    seq: int
    """Number of the event that triggered it."""
    at: str
    actor: str
    trigger: str
    """`every`, `n_errors`, `kpi_drop`, `drift` or `manual`."""
    reason: str
    counts: dict[str, Any]
    changes: tuple[Change, ...] = ()
    """Oldest first."""

    @property
    def state(self) -> str:
        """The newest."""
        return self.changes[-1].state if self.changes else "triggered"

    @property
    def running(self) -> bool:
        """Whether it has not come to an end."""
        return self.state not in ENDS

    @property
    def why(self) -> str:
        """What the newest change says of itself."""
        return str(self.changes[-1].facts.get("reason", "")) if self.changes else self.reason

    def told(self, state: str) -> dict[str, Any] | None:
        """The facts of the newest change to a state; None where it never came to that."""
        return next((one.facts for one in reversed(self.changes) if one.state == state), None)

    def as_json(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "id": self.id,
            "state": self.state,
            "at": self.at,
            "by": self.actor,
            "trigger": self.trigger,
            "reason": self.reason,
            "counts": self.counts,
            "changes": [{"at": one.at, "state": one.state, **one.facts} for one in self.changes],
        }


def cycles_of(ledger: Ledger) -> list[Cycle]:
    """Every cycle, oldest first."""
    return fold(ledger.events(kind=(TRIGGERED, CYCLE)))


def fold(events: Iterable[Event]) -> list[Cycle]:
    """The cycles that events of the two kinds speak of, in order."""
    known: dict[str, Cycle] = {}
    for event in events:
        if event.kind == TRIGGERED:
            facts = {name: event.facts[name] for name in ("trigger", "reason", "counts")}
            known[event.subject] = Cycle(id=event.subject, seq=event.seq, at=event.at, actor=event.actor, **facts)
        else:
            facts = {name: value for name, value in event.facts.items() if name != "state"}
            change = Change(seq=event.seq, at=event.at, actor=event.actor, state=event.facts["state"], facts=facts)
            before = known[event.subject]
            known[event.subject] = dataclasses.replace(before, changes=(*before.changes, change))
    return list(known.values())
