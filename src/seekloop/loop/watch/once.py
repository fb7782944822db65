"""Look once: go on with the cycle under way, or begin one where a trigger fires, and work on it as far as it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from seekloop.artifact.context import RunContext
from seekloop.loop import approval, promotion
from seekloop.loop.project import ProjectSpec
from seekloop.loop.watch.cycle import Relieved, go_on, waited_in_vain
from seekloop.loop.watch.cycles import TRIGGERED, Cycle, cycles_of
from seekloop.loop.watch.held import NAME, Held, holding
from seekloop.loop.watch.seen import see
from seekloop.loop.watch.triggers import Looked, look
from seekloop.loop.watch_spec import Manual, ThroughCanary
from seekloop.serve.rollout.desk import Desk
from seekloop.system.errors import UsageError

__all__ = ["Outcome", "now", "once"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of looking."""

    what: Literal["ended", "waits", "nothing", "elsewhere"]
    """ended: a cycle did. waits: one goes on later. nothing: no trigger fired. elsewhere: another process is at it."""
    reason: str
    cycle: Cycle | None = None

    @property
    def exit_code(self) -> int:
        """0 promoted, 2 failed, 3 held or rolled back, 4 nothing to do here, 5 to be gone on with later."""
        if self.what == "ended":
            assert self.cycle is not None, "what ended is a cycle"
            return {"promoted": 0, "failed": 2}.get(self.cycle.state, 3)
        return {"waits": 5}.get(self.what, 4)


def now(spec: ProjectSpec, *, ctx: RunContext) -> tuple[list[Cycle], Looked]:
    """Every cycle so far, oldest first, and what the triggers say.

    Raises:
        UsageError: nothing was promoted yet, or a trigger asks for a figure that is not there.
    """
    cycles = cycles_of(ctx.ledger)
    return cycles, look(spec.watch, see(spec, cycles, ctx=ctx))


def once(
    spec: ProjectSpec, *, ctx: RunContext, reason: str | None = None, told: Callable[[], bool] = lambda: False
) -> Outcome:
    """Look, and do what there is to do.

    Args:
        spec: of the project.
        ctx: of the project.
        reason: why somebody wants a cycle now; None: the triggers decide.
        told: whether this process was told to end.

    Raises:
        Stopped: it was, and the work so far is saved.
        UsageError: nothing was promoted yet, or nobody may begin a cycle by hand.
        LedgerError: the database cannot be read or written.
    """
    if reason is not None and not any(isinstance(one, Manual) for one in spec.watch.triggers):
        raise UsageError("watch.not_by_hand")
    idle = _idle(spec, asked=reason is not None, ctx=ctx)
    if idle is not None:
        return idle
    try:
        with holding(ctx, seconds=spec.watch.lease_s) as held:
            if held is None:
                return _elsewhere(ctx)
            ctx.progress.say(f"lease {held.lease.token}: {held.lease.holder}")
            cycle = _cycle(spec, held, reason=reason, ctx=ctx)
            if isinstance(cycle, Outcome):
                return cycle
            cycle = go_on(cycle, spec, held=held, told=told, ctx=ctx)
    except Relieved:
        return Outcome(what="elsewhere", reason="another process has taken the loop over, and goes on")
    return Outcome(what="waits" if cycle.running else "ended", reason=cycle.why, cycle=cycle)


def _idle(spec: ProjectSpec, *, asked: bool, ctx: RunContext) -> Outcome | None:
    """What there is to say where nothing can be done now; the lease is not taken for that."""
    cycles = cycles_of(ctx.ledger)
    running = cycles[-1] if cycles and cycles[-1].running else None
    if running is not None:
        return Outcome(what="waits", reason=running.why, cycle=running) if _still(spec, running, ctx=ctx) else None
    looked = look(spec.watch, see(spec, cycles, ctx=ctx))
    return None if asked or looked.fired else _nothing(looked)


def _still(spec: ProjectSpec, cycle: Cycle, *, ctx: RunContext) -> bool:
    """Whether what a cycle waits for has not come."""
    told = cycle.changes[-1].facts if cycle.changes else {}
    plan = spec.watch.rollout
    if cycle.state == "rolling" and isinstance(plan, ThroughCanary):
        rollout = Desk(ledger=ctx.ledger, store=ctx.store, clock=ctx.clock).read().known[told["rollout"]]
        return rollout.running and not promotion.overdue(rollout, plan, ctx=ctx)
    if cycle.state != "waiting" or waited_in_vain(cycle, spec, ctx=ctx):
        return False
    if told["on"] == "approval":
        now = ctx.clock.now()
        return approval.standing(told["candidate"], spec.gate, ledger=ctx.ledger, now=now) == "waiting"
    return told["on"] == "gateway" and isinstance(plan, ThroughCanary) and not promotion.gateway_answers(plan, ctx=ctx)


def _cycle(spec: ProjectSpec, held: Held, *, reason: str | None, ctx: RunContext) -> Cycle | Outcome:
    """The cycle under way, or a new one; looked at again, since now nobody else can begin one."""
    cycles = cycles_of(ctx.ledger)
    if cycles and cycles[-1].running:
        ctx.progress.say(f"{cycles[-1].id}: going on after {cycles[-1].state}")
        return cycles[-1]
    if reason is not None:
        facts = {"trigger": "manual", "reason": reason, "counts": {}}
    else:
        looked = look(spec.watch, see(spec, cycles, ctx=ctx))
        fired = looked.fired
        if fired is None:
            return _nothing(looked)
        facts = {"trigger": fired.trigger.when, "reason": fired.reason, "counts": dict(fired.counts)}
    identity = f"cycle_{len(cycles) + 1:04d}"
    ctx.ledger.note_next(TRIGGERED, identity, facts=facts, actor=ctx.actor, after=held.lease.fence)
    ctx.progress.say(f"{identity}: {facts['trigger']}, {facts['reason']}")
    return cycles_of(ctx.ledger)[-1]


def _nothing(looked: Looked) -> Outcome:
    fired = next((one for one in looked.checks if one.fired), None)
    if looked.barred and fired:
        return Outcome(what="nothing", reason=f"{fired.reason}; but {looked.barred}")
    return Outcome(what="nothing", reason="; ".join(one.reason for one in looked.checks))


def _elsewhere(ctx: RunContext) -> Outcome:
    lease = ctx.ledger.leases.find(NAME)
    holder = lease.holder if lease else "another process"
    return Outcome(what="elsewhere", reason=f"{holder} is at it")
