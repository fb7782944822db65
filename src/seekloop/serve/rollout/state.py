"""What the ledger's events say of rollouts: a fold, so that every process that reads them knows the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from seekloop.artifact.ledger import Event
from seekloop.serve.rollout.spec import Canary, RolloutSpec, Shadow

__all__ = ["KINDS", "Change", "Kind", "Rollout", "Rollouts"]


class Kind(StrEnum):
    """The kinds of event of a rollout; their subject is its id."""

    STARTED = "rollout.started"
    STEPPED = "rollout.stepped"
    ROLLED_BACK = "rollout.rolled_back"
    FINISHED = "rollout.finished"
    ABORTED = "rollout.aborted"


KINDS = tuple(str(kind) for kind in Kind)
_ends = {Kind.ROLLED_BACK: "rolled back", Kind.FINISHED: "finished", Kind.ABORTED: "aborted"}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that happened to a rollout."""

    seq: int
    kind: str
    at: str
    actor: str
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A rollout, as far as it has come."""

    id: str
    alias: str
    alias_version: int
    """The move of the alias that it began under: when the alias is moved, the rollout is over."""
    control: str
    """Id of the release in production."""
    spec: RolloutSpec
    rule_digest: str
    """`sha256:HEX` of the spec, as it was recorded before the first request."""
    phase: str
    """`running`, `rolled back`, `finished` or `aborted`."""
    step: int
    """From 0."""
    changes: tuple[Change, ...]
    """Oldest first."""

    @property
    def running(self) -> bool:
        """Whether it is still under way."""
        return self.phase == "running"

    @property
    def first(self) -> int:
        """Number of the event that began it."""
        return self.changes[0].seq

    @property
    def stepped_at(self) -> str:
        """When the step that it is in began."""
        return next(one.at for one in reversed(self.changes) if one.kind in (Kind.STARTED, Kind.STEPPED))

    @property
    def shares(self) -> tuple[tuple[str, float], ...]:
        """(release, share) of everyone but control, in this step."""
        return self.spec.steps[self.step]

    @property
    def shadow(self) -> bool:
        """Whether nobody is shown what the candidate says."""
        return isinstance(self.spec.plan, Shadow)

    @property
    def climbs(self) -> bool:
        """Whether its shares grow and the alias moves at the end."""
        return isinstance(self.spec.plan, Canary)

    @property
    def last_step(self) -> bool:
        """Whether it is in its last step."""
        return self.step == len(self.spec.steps) - 1

    def as_json(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "id": self.id,
            "alias": self.alias,
            "mode": self.spec.plan.mode,
            "phase": self.phase,
            "step": self.step,
            "steps": len(self.spec.steps),
            "control": self.control,
            "shares": dict(self.shares),
            "rule_digest": self.rule_digest,
            "started_at": self.changes[0].at,
            "changes": [
                {
                    "seq": one.seq,
                    "what": one.kind.removeprefix("rollout."),
                    "at": one.at,
                    "actor": one.actor,
                    "reason": one.facts["reason"],
                }
                for one in self.changes
            ],
        }


class Rollouts:
    """Every rollout that the events read so far speak of."""

    def __init__(self) -> None:
        self.known: dict[str, Rollout] = {}
        """By id, oldest first."""
        self.seq = 0
        """Number of the last event that was read."""

    def read(self, events: Iterable[Event]) -> None:
        """Take in events of `KINDS`, in order."""
        for event in events:
            self.seq = event.seq
            change = Change(seq=event.seq, kind=event.kind, at=event.at, actor=event.actor, facts=event.facts)
            before = self.known.get(event.subject)
            if before is None:
                self.known[event.subject] = _started(event.subject, change)
            else:
                self.known[event.subject] = _changed(before, change)

    def running(self, alias: str) -> Rollout | None:
        """The one that is under way on an alias."""
        return next((one for one in self.known.values() if one.running and one.alias == alias), None)


def _started(identity: str, change: Change) -> Rollout:
    facts = change.facts
    return Rollout(
        id=identity,
        alias=facts["alias"],
        alias_version=facts["alias_version"],
        control=facts["control"],
        spec=RolloutSpec.model_validate(facts["spec"]),
        rule_digest=facts["rule_digest"],
        phase="running",
        step=0,
        changes=(change,),
    )


def _changed(before: Rollout, change: Change) -> Rollout:
    changes = (*before.changes, change)
    if change.kind == Kind.STEPPED:
        return dataclasses.replace(before, step=change.facts["step"], changes=changes)
    return dataclasses.replace(before, phase=_ends[Kind(change.kind)], changes=changes)
