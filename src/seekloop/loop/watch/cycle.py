"""One cycle, from its trigger to its end: each state is an event, and whoever holds the lease goes on from the last.

What is decided is written under the lease's fence: an event of a holder that was relieved meanwhile is refused, and so
is its promotion, which stands in the transaction of that event.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Traffic
from seekloop.artifact.ledger import Alias, Turn
from seekloop.learn.verdict import POISONED
from seekloop.loop import promotion, registry
from seekloop.loop.project import ProjectSpec
from seekloop.loop.run import next_round
from seekloop.loop.steps import Steps
from seekloop.loop.watch.cycles import CYCLE, Cycle, cycles_of
from seekloop.loop.watch.held import Held
from seekloop.loop.watch_spec import ThroughCanary
from seekloop.serve.traffic import collect
from seekloop.system.errors import LedgerError, SeekloopError
from seekloop.system.progress import Progress, Task

__all__ = ["Relieved", "Stopped", "go_on", "waited_in_vain"]

_told_to_stop = ("train.stopped",)
_not_now = ("train.already_running", "data.already_running", "evaluate.already_running", "artifact.ledger_locked")
"""What is no failure of the cycle: another process is at the same work, or the database is."""


class Stopped(Exception):
    """This process was told to end, and its work is saved."""


class Relieved(Exception):
    """Somebody else has the lease now, and goes on."""


class _OverBudget(Exception):
    """The cycle has had the time that it may have."""


def go_on(cycle: Cycle, spec: ProjectSpec, *, held: Held, told: Callable[[], bool], ctx: RunContext) -> Cycle:
    """Work on a cycle until it ends or has to wait for somebody.

    Args:
        cycle: that is running.
        spec: of the project.
        held: the lease.
        told: whether this process was told to end.
        ctx: of the project.

    Returns:
        The cycle as it is now.

    Raises:
        Stopped: this process was told to end; another goes on.
        Relieved: the lease was lost; another has gone on.
        LedgerError: the database cannot be written.
    """
    witness = _Recorded(cycle, held=held, told=told, spec=spec, ctx=ctx)
    steps = Steps(witness.watched(), cycle.id, witness=witness)
    try:
        with _relief():
            _advance(spec, witness, steps=steps)
    except _OverBudget:
        reason = f"the budget of {spec.watch.budget_minutes:g} minutes was used up"
        with _relief():
            witness.end("held", reason=reason)
    except (Stopped, Relieved):
        raise
    except SeekloopError as error:
        if error.code in _told_to_stop:
            raise Stopped from error
        if error.code in _not_now:
            raise
        with _relief():
            witness.end("failed", code=error.code, reason=error.sentence("en"))
    return witness.cycle


def waited_in_vain(cycle: Cycle, spec: ProjectSpec, *, ctx: RunContext) -> bool:
    """Whether a cycle has waited for a gateway, or for another rollout, as long as it may."""
    plan = spec.watch.rollout
    if cycle.state != "waiting" or cycle.changes[-1].facts["on"] == "approval" or not isinstance(plan, ThroughCanary):
        return False
    return ctx.clock.now() >= dt.datetime.fromisoformat(cycle.changes[-1].at) + dt.timedelta(hours=plan.hours)


def _advance(spec: ProjectSpec, witness: _Recorded, *, steps: Steps) -> None:
    cycle = witness.cycle
    if cycle.state == "rolling":
        promotion.follow(spec, _told(cycle, "rolling"), steps=steps)
        return
    begun = cycle.told("begun") or _begin(spec, witness)
    current = registry.promoted(spec.alias, ctx=steps.ctx)
    if current.version != begun["alias_version"]:
        reason = f"{spec.alias} was moved by {current.actor} meanwhile: {current.reason}"
        witness.end("held", reason=reason)
    elif waited_in_vain(cycle, spec, ctx=steps.ctx):
        witness.end("held", reason=f"{cycle.why}, and it was waited for long enough")
    elif (told := cycle.told("judged")) is not None:
        if told["decision"] != "promote":
            witness.end("held", reason=told["reason"])
        else:
            promotion.release_it(spec, told, steps=steps)
    else:
        traffic = steps.ctx.store.open(begun["traffic"], Traffic)
        made = next_round(spec, traffic, steps=steps)
        if made.verdict is None and made.lesson.verdict != "roll_back":
            witness.end("held", reason=made.lesson.reason)
        elif made.verdict is not None and made.verdict.decision != "promote":
            witness.end("held", reason="; ".join(made.verdict.sentences("en")))


def _begin(spec: ProjectSpec, witness: _Recorded) -> dict[str, Any]:
    """Fix what the cycle learns from: the answers of the release in production, as they are now."""
    ctx = witness.ctx
    current = registry.promoted(spec.alias, ctx=ctx)
    traffic = collect(ctx, release=current.target, after=_poisoned_until(witness))
    witness.reached("begun", alias=spec.alias, alias_version=current.version, parent=current.target, traffic=traffic.id)
    return _told(witness.cycle, "begun")


def _poisoned_until(witness: _Recorded) -> str | None:
    """When the newest cycle began that waited because of poison: its window is for people to review, not to learn."""
    found = None
    for one in cycles_of(witness.ctx.ledger):
        if one.id != witness.cycle.id and str((one.told("learned") or {}).get("reason", "")).startswith(POISONED):
            found = one.at
    return found


def _told(cycle: Cycle, state: str) -> dict[str, Any]:
    found = cycle.told(state)
    assert found is not None, "a state that was reached has its facts"
    return found


class _Recorded:
    """A witness that writes each state as an event, under the fence of a lease."""

    def __init__(
        self, cycle: Cycle, *, held: Held, told: Callable[[], bool], spec: ProjectSpec, ctx: RunContext
    ) -> None:
        self.cycle = cycle
        self.ctx = ctx
        self._held = held
        self._told = told
        self._minutes = spec.watch.budget_minutes

    @property
    def name(self) -> str:
        """The cycle's id."""
        return self.cycle.id

    @property
    def fence(self) -> Turn:
        """The lease that this cycle is worked on under."""
        return self._held.lease.fence

    def reached(self, state: str, **facts: Any) -> None:
        """Record a state, unless it was recorded just so before a crash; then see whether to go on."""
        if any(one.state == state and one.facts == facts for one in self.cycle.changes):
            return
        self.end(state, **facts)
        self.look()

    def end(self, state: str, **facts: Any) -> None:
        """Record a state."""
        self._write(state, facts, move=None)

    def move(self, move: Alias, *, state: str, **facts: Any) -> None:
        """Record a state with the move of the alias that it is the reason for, from where the cycle began."""
        begun = _told(self.cycle, "begun")
        self._write(state, facts, move=dataclasses.replace(move, version=begun["alias_version"] + 1))

    def watched(self) -> RunContext:
        """The context for the cycle's steps: while they report, this looks whether to go on."""
        return dataclasses.replace(self.ctx, progress=_Watched(self.ctx.progress, self.look))

    def look(self) -> None:
        """Raise where this process should not go on with the cycle."""
        if self._held.lost:
            raise Relieved
        if self._told():
            raise Stopped
        if self._minutes is None or not self.cycle.running or self.cycle.told("judged") is not None:
            return
        begun = dt.datetime.fromisoformat(self.cycle.at)
        if self.ctx.clock.now() > begun + dt.timedelta(minutes=self._minutes):
            raise _OverBudget

    def _write(self, state: str, facts: dict[str, Any], *, move: Alias | None) -> None:
        event = self.ctx.ledger.note_next(
            CYCLE, self.name, facts={"state": state, **facts}, actor=self.ctx.actor, after=self.fence, move=move
        )
        # The fold is the only reader of events, here too.
        self.cycle = next(one for one in cycles_of(self.ctx.ledger) if one.id == self.name)
        assert self.cycle.changes[-1].seq == event.seq, "under the fence nobody else writes"
        self.ctx.progress.say(f"{self.name}: {state}")


class _Watched:
    """Progress that looks, whenever something is reported, whether to go on."""

    def __init__(self, inner: Progress, look: Callable[[], None]) -> None:
        self._inner = inner
        self._look = look

    @contextmanager
    def task(self, name: str, *, total: float | None = None, done: float = 0.0) -> Iterator[Task]:
        """The inner one's bar, watched."""
        with self._inner.task(name, total=total, done=done) as task:
            yield _WatchedTask(task, self._look)

    def say(self, text: str) -> None:
        """Say it, then look."""
        self._inner.say(text)
        self._look()


class _WatchedTask:
    def __init__(self, inner: Task, look: Callable[[], None]) -> None:
        self._inner = inner
        self._look = look

    def advance(self, amount: float = 1.0) -> None:
        """Count, then look."""
        self._inner.advance(amount)
        self._look()

    def note(self, text: str) -> None:
        """Pass it on."""
        self._inner.note(text)


@contextmanager
def _relief() -> Iterator[None]:
    """What is refused because somebody else took the lease is no failure of the cycle."""
    try:
        yield
    except LedgerError as error:
        if error.code == "artifact.decided_since":
            raise Relieved from error
        raise
