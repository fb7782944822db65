"""Where rollouts are begun, judged and ended: every decision is one event, made by whoever comes first."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.artifact.kinds import Release
from seekloop.artifact.ledger import Alias, Ledger, Turn
from seekloop.artifact.store import Store
from seekloop.serve.rollout.counts import Counting, Counts
from seekloop.serve.rollout.spec import Canary, RolloutSpec, Split
from seekloop.serve.rollout.state import KINDS, Kind, Rollout, Rollouts
from seekloop.serve.rollout.verdict import Verdict, decide
from seekloop.system import digests
from seekloop.system.clock import Clock, SystemClock
from seekloop.system.errors import UsageError

__all__ = ["BY_RULES", "Desk", "Judged", "Replayed"]

BY_RULES = "rules"
"""The actor of what the rules decide."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict with everything that it was made of."""

    verdict: Verdict
    counts: dict[str, Any]
    minutes: float
    """How long the step had lasted."""
    through: int
    """Number of the last event that was counted."""

    def facts(self) -> dict[str, Any]:
        """For an event."""
        verdict = self.verdict.model_dump(mode="json")
        return {"verdict": verdict, "counts": self.counts, "minutes": self.minutes, "through": self.through}


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A decision, made once more."""

    seq: int
    what: str
    at: str
    actor: str
    reason: str
    sentences: tuple[str, ...]
    same_verdict: bool | None
    """Whether the stored counts give the stored verdict, byte for byte; None: people decided."""
    same_counts: bool | None
    """Whether the ledger's rows give the stored counts."""


class Desk:
    """Reads and writes rollouts.

    Args:
        ledger: where they are.
        store: where releases are.
        clock: how long steps have lasted.
    """

    def __init__(self, *, ledger: Ledger, store: Store, clock: Clock | None = None) -> None:
        self.ledger = ledger
        self._store = store
        self._clock: Clock = clock or SystemClock()

    def read(self, into: Rollouts | None = None) -> Rollouts:
        """All rollouts; with `into`, what is new is added there."""
        found = into or Rollouts()
        found.read(self.ledger.events(kind=KINDS, after=found.seq))
        return found

    def find(self, identity: str | None, *, alias: str) -> Rollout:
        """A rollout by its id or the beginning of it; None: the one under way on `alias`, else the newest there.

        Raises:
            UsageError: there is none, or several begin so.
        """
        own = [one for one in self.read().known.values() if one.alias == alias]
        if identity is None:
            found = [one for one in own if one.running] or own[-1:]
        else:
            found = [one for one in own if one.id.startswith(identity)]
        if len(found) != 1:
            raise UsageError("rollout.unknown", id=identity or alias)
        return found[0]

    def start(self, spec: RolloutSpec, *, alias: str, actor: str, reason: str, fence: Turn | None = None) -> Rollout:
        """Begin a rollout against the release in production. Its rules are in the ledger before any request goes to it.

        Args:
            spec: plan and rules.
            alias: whose traffic.
            actor: who begins it.
            reason: why, for people.
            fence: what else must not have happened since.

        Raises:
            UsageError: nothing is in production, a rollout is under way there, or a release takes part twice.
            ArtifactError: there is no such release.
            LedgerError: somebody else was faster.
        """
        known, current = self.read(), self.ledger.alias(alias)
        if current is None:
            raise UsageError("rollout.nothing_in_production", alias=alias)
        if (running := known.running(alias)) is not None:
            raise UsageError("rollout.running", id=running.id, alias=alias)
        settled = self._settled(spec, control=current.target)
        facts = {
            "alias": alias,
            "alias_version": current.version,
            "control": current.target,
            "spec": settled.model_dump(mode="json"),
            "rule_digest": settled.digest,
            "reason": reason,
        }
        identity = f"rollout_{secrets.token_hex(8)}"
        after = Turn(kinds=KINDS, seq=known.seq)
        if fence is not None:
            after = Turn(kinds=(*KINDS, *fence.kinds), seq=max(known.seq, fence.seq))
        known.read([self.ledger.note_next(Kind.STARTED, identity, facts=facts, actor=actor, after=after)])
        return known.known[identity]

    def step(self, rollout: Rollout, *, actor: str, reason: str) -> Rollout:
        """Go on by hand: to the next share, or from the last one to everything.

        Raises:
            UsageError: it is over, or has no steps.
            LedgerError: somebody else was faster.
        """
        if not rollout.climbs:
            raise UsageError("rollout.no_steps", id=rollout.id, mode=rollout.spec.plan.mode)
        return self._write(rollout, self._upwards(rollout), facts={"reason": reason}, actor=actor)

    def abort(self, rollout: Rollout, *, actor: str, reason: str) -> Rollout:
        """End a rollout by hand: the release in production answers everybody.

        Raises:
            UsageError: it is over.
            LedgerError: somebody else was faster.
        """
        return self._write(rollout, Kind.ABORTED, facts={"reason": reason}, actor=actor)

    def roll_back(self, rollout: Rollout, *, reason: str) -> Rollout:
        """End a rollout whose candidate cannot even start.

        Raises:
            UsageError: it is over.
            LedgerError: somebody else was faster.
        """
        return self._write(rollout, Kind.ROLLED_BACK, facts={"reason": reason}, actor=BY_RULES)

    def judge(self, rollout: Rollout, counting: Counting) -> Judged:
        """The verdict on a rollout now, by what was counted."""
        since = dt.datetime.fromisoformat(rollout.stepped_at)
        minutes = round((self._clock.now() - since).total_seconds() / 60, 3)
        verdict = decide(rollout.spec, counting.counts, control=rollout.control, step=rollout.step, minutes=minutes)
        counts = counting.counts.as_json()
        return Judged(verdict=verdict, counts=counts, minutes=minutes, through=counting.through)

    def now(self, rollout: Rollout) -> Judged:
        """The verdict on a rollout now, counted from its beginning.

        Raises:
            LedgerError: the rows cannot be read.
        """
        counting = Counting(rollout.id, first=rollout.first, ledger=self.ledger)
        counting.go_on()
        return self.judge(rollout, counting)

    def act(self, rollout: Rollout, judged: Judged) -> Rollout:
        """Do what a verdict says; nothing where it holds.

        Raises:
            UsageError: the rollout is over.
            LedgerError: somebody else was faster.
        """
        verdict = judged.verdict
        if verdict.action == "hold":
            return rollout
        if verdict.action == "roll_back":
            reason = "; ".join(one.sentence("en") for one in verdict.failed)
            return self._write(rollout, Kind.ROLLED_BACK, facts={"reason": reason, **judged.facts()}, actor=BY_RULES)
        reason = f"step {rollout.step + 1} of {len(rollout.spec.steps)} passed"
        facts = {"reason": reason, **judged.facts()}
        return self._write(rollout, self._upwards(rollout), facts=facts, actor=BY_RULES)

    def explain(self, rollout: Rollout, *, language: str | None = None) -> list[Replayed]:
        """Every decision on a rollout, made again from the counts that were stored, and these counted again."""
        return [
            Replayed(
                seq=change.seq,
                what=change.kind.removeprefix("rollout."),
                at=change.at,
                actor=change.actor,
                reason=change.facts["reason"],
                **self._replay(rollout, change.facts, step=step, language=language),
            )
            for step, change in zip(_steps_before(rollout), rollout.changes, strict=True)
        ]

    def _replay(self, rollout: Rollout, facts: Mapping[str, Any], *, step: int, language: str | None) -> dict[str, Any]:
        if "verdict" not in facts:
            return {"sentences": (), "same_verdict": None, "same_counts": None}
        counts = Counts.of_json(facts["counts"])
        again = decide(rollout.spec, counts, control=rollout.control, step=step, minutes=facts["minutes"])
        counting = Counting(rollout.id, first=rollout.first, ledger=self.ledger)
        counting.go_on(until=facts["through"])
        told = digests.canonical(again.model_dump(mode="json"))
        return {
            "sentences": tuple(again.sentences(language)),
            "same_verdict": told == digests.canonical(facts["verdict"]),
            "same_counts": counting.counts.as_json() == facts["counts"],
        }

    def _settled(self, spec: RolloutSpec, *, control: str) -> RolloutSpec:
        """The spec with the full ids of its releases."""
        told = spec.model_dump(mode="json")
        if isinstance(spec.plan, Split):
            for arm in told["plan"]["arms"]:
                arm["release"] = self._store.open(arm["release"], Release).id
        else:
            told["plan"]["candidate"] = self._store.open(spec.plan.candidate, Release).id
        settled = RolloutSpec.parse(told)
        if control in settled.candidates:
            raise UsageError("rollout.in_production_already", release=digests.short(control))
        return settled

    def _upwards(self, rollout: Rollout) -> Kind:
        return Kind.FINISHED if rollout.last_step else Kind.STEPPED

    def _write(self, rollout: Rollout, kind: Kind, *, facts: Mapping[str, Any], actor: str) -> Rollout:
        known = self.read()
        if not known.known[rollout.id].running:
            raise UsageError("rollout.over", id=rollout.id, phase=known.known[rollout.id].phase)
        told = {**facts, "rule_digest": rollout.rule_digest}
        if kind is Kind.STEPPED:
            told["step"] = rollout.step + 1
        move = _move(rollout, actor=actor) if kind is Kind.FINISHED else None
        # What was decided about an earlier step must not be done to a later one.
        after = Turn(kinds=KINDS, seq=known.seq if known.known[rollout.id] == rollout else rollout.changes[-1].seq)
        event = self.ledger.note_next(kind, rollout.id, facts=told, actor=actor, after=after, move=move)
        known.read([event])
        return known.known[rollout.id]


def _move(rollout: Rollout, *, actor: str) -> Alias:
    assert isinstance(rollout.spec.plan, Canary), "only a canary goes up to everything"
    target, version = rollout.spec.plan.candidate, rollout.alias_version + 1
    reason = f"{rollout.id} finished"
    return Alias(name=rollout.alias, target=target, version=version, actor=actor, reason=reason, at="")


def _steps_before(rollout: Rollout) -> list[int]:
    """The step that the rollout was in when each change came."""
    steps, now = [], 0
    for change in rollout.changes:
        steps.append(now)
        now = change.facts["step"] if change.kind == Kind.STEPPED else now
    return steps
