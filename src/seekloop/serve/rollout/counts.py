"""What a verdict is made of: counts of each step and release, read from the ledger's rows and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seekloop.artifact.ledger import Event, Ledger
from seekloop.metrics.sequential import Tally, bin_of

__all__ = ["ArmCounts", "Counting", "Counts"]

_kinds = ("answer.recorded", "feedback.recorded", "shadow.recorded")
_whole = ("stop", "length", "tool_calls")
_filtered = "content_filter"


@dataclass(kw_only=True)
class ArmCounts:
    """One release in one step."""

    asked: int = 0
    """Requests that it was to answer and whose client stayed."""
    failed: int = 0
    """Of these, the ones that it did not answer to the end."""
    filtered: int = 0
    """Of these, the ones whose answer the output filter stopped."""
    first_token: Counter[int] = field(default_factory=Counter)
    """Of whole answers: bin of the time to the first token -> how many."""
    total: Counter[int] = field(default_factory=Counter)
    """The same of the whole time."""
    scored: int = 0
    """Callers that gave a score."""
    score: float = 0.0
    """Sum of these scores."""
    thumbs_down: int = 0
    """Scores below 0.5."""
    spoken_of: int = 0
    """Callers that gave a score or a label."""
    resolved: int = 0
    """Of these, no score below 0.5 and no label."""

    def share(self, watch: str) -> Tally:
        """The tally that a rule on shares or scores watches."""
        match watch:
            case "errors":
                return Tally(self.failed, self.asked)
            case "safety":
                return Tally(self.filtered, self.asked)
            case "score":
                return Tally(self.score, self.scored)
            case "thumbs_down":
                return Tally(self.thumbs_down, self.scored)
            case "resolved":
                return Tally(self.resolved, self.spoken_of)
            case _:
                raise ValueError(watch)

    def times(self, watch: str) -> Mapping[int, int]:
        """The binned times that a rule on latency watches."""
        return self.first_token if watch == "first_token" else self.total

    def as_json(self) -> dict[str, Any]:
        """As it stands in an event; what is 0 is left out."""
        told: dict[str, Any] = {}
        for name, value in vars(self).items():
            if value:
                told[name] = {str(one): value[one] for one in sorted(value)} if isinstance(value, Counter) else value
        return told

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> ArmCounts:
        """Back from an event."""
        counts = cls()
        for name, value in told.items():
            binned = isinstance(value, Mapping)
            vars(counts)[name] = Counter({int(one): count for one, count in value.items()}) if binned else value
        return counts


class Counts:
    """Counts of every step and release of a rollout."""

    def __init__(self) -> None:
        self._arms: dict[tuple[int, str], ArmCounts] = {}

    def of(self, step: int, release: str) -> ArmCounts:
        """Those of a release in a step; nothing where it was asked nothing."""
        return self._arms.get((step, release)) or ArmCounts()

    def at(self, step: int, release: str) -> ArmCounts:
        """The same, to be added to."""
        return self._arms.setdefault((step, release), ArmCounts())

    def as_json(self) -> dict[str, Any]:
        """`{step: {release: counts}}`."""
        told: dict[str, dict[str, Any]] = {}
        for (step, release), arm in sorted(self._arms.items(), key=lambda item: item[0]):
            told.setdefault(str(step), {})[release] = arm.as_json()
        return told

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Counts:
        """Back from an event."""
        counts = cls()
        for step, arms in told.items():
            for release, arm in arms.items():
                counts._arms[int(step), release] = ArmCounts.of_json(arm)
        return counts


class Counting:
    """Counts a rollout's rows, and goes on where it stopped.

    Args:
        rollout: id of the rollout.
        first: number of the event that began it.
        ledger: whose rows.
    """

    def __init__(self, rollout: str, *, first: int, ledger: Ledger) -> None:
        self.counts = Counts()
        self.through = first
        """Number of the last event that was counted."""
        self._rollout = rollout
        self._ledger = ledger
        self._heard: set[tuple[str, str]] = set()

    def go_on(self, *, until: int | None = None) -> bool:
        """Count what was recorded since, up to event `until` where given; whether there was anything.

        Raises:
            LedgerError: an event does not carry its signature, or the ledger cannot be read.
        """
        before = self.through
        self._take(self._ledger.events(kind=_kinds, after=self.through), until=until)
        return self.through != before

    def _take(self, events: Iterable[Event], *, until: int | None) -> None:
        for event in events:
            if until is not None and event.seq > until:
                break
            self.through = event.seq
            if event.kind == "feedback.recorded":
                self._hear(event)
            elif (arm := event.facts.get("arm")) and arm["rollout"] == self._rollout:
                _count(self.counts.at(arm["step"], arm["arm"]), event.facts, failed="failed" in arm)

    def _hear(self, event: Event) -> None:
        """Of each caller, the first thing said counts: many opinions of one are one opinion."""
        facts = event.facts
        if facts["score"] is None and facts["label"] is None:
            return
        answered = self._ledger.answered(facts["answer"])
        arm = answered.facts.get("arm") if answered else None
        if not arm or arm["rollout"] != self._rollout or "failed" in arm or (arm["unit"], arm["arm"]) in self._heard:
            return
        self._heard.add((arm["unit"], arm["arm"]))
        _hear(self.counts.at(arm["step"], arm["arm"]), score=facts["score"], label=facts["label"])


def _count(arm: ArmCounts, facts: Mapping[str, Any], *, failed: bool) -> None:
    reason = facts["finish_reason"]
    if reason == "cancelled" and not failed:
        return
    arm.asked += 1
    arm.filtered += reason == _filtered and not failed
    if failed or reason == "error":
        arm.failed += 1
    elif reason in _whole:
        arm.first_token[bin_of(facts["first_token_ms"])] += 1
        arm.total[bin_of(facts["total_ms"])] += 1


def _hear(arm: ArmCounts, *, score: float | None, label: str | None) -> None:
    down = score is not None and score < 0.5
    arm.spoken_of += 1
    arm.resolved += not down and label is None
    if score is not None:
        arm.scored += 1
        arm.score += score
        arm.thumbs_down += down
