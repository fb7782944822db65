"""How a candidate that the gate let through gets into production: at once, or through a canary; and how it goes back.

The verdict is asked for once: what was judged is recorded, and whoever goes on from there takes it as it stands. The
alias moves in the transaction of the event that says why, so there is no moment between the two.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import httpx2

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Lesson, Release, Report
from seekloop.loop import approval, registry
from seekloop.loop.evidence import Measured
from seekloop.loop.gates import Verdict
from seekloop.loop.project import ProjectSpec
from seekloop.loop.steps import Steps
from seekloop.loop.watch_spec import ThroughCanary
from seekloop.serve import stage as serve
from seekloop.serve.place import Place
from seekloop.serve.rollout.desk import Desk
from seekloop.serve.rollout.state import Rollout
from seekloop.serve.spec import ServeInputs
from seekloop.system import digests

__all__ = [
    "follow",
    "gateway_answers",
    "go_back",
    "judged",
    "overdue",
    "put_into_production",
    "release_it",
]

_look_s = 5.0
"""Longest wait for a gateway to say that it is ready."""


def judged(candidate: Checkpoint, *, measured: Measured, verdict: Verdict) -> dict[str, Any]:
    """What has to be remembered of a verdict, to go on from it without judging again."""
    return {
        "decision": verdict.decision,
        "candidate": candidate.id,
        "report": measured.frozen.id,
        "rule_digest": verdict.rule_digest,
        "reason": "; ".join(verdict.sentences("en")),
    }


def put_into_production(
    spec: ProjectSpec, candidate: Checkpoint, *, measured: Measured, verdict: Verdict, steps: Steps
) -> Release | None:
    """Make a release of the candidate and let it out; None where the gate or a person did not say so."""
    if verdict.decision != "promote":
        return None
    return release_it(spec, judged(candidate, measured=measured, verdict=verdict), steps=steps)


def release_it(spec: ProjectSpec, told: dict[str, Any], *, steps: Steps) -> Release | None:
    """Go on from a verdict that lets a candidate through; again and again, until nothing is left to wait for.

    Args:
        spec: of the project.
        told: what `judged` gave.
        steps: of the run.

    Returns:
        The release; None where a person has not said yes, or said no.
    """
    ctx, witness = steps.ctx, steps.witness
    stands = approval.standing(told["candidate"], spec.gate, ledger=ctx.ledger, now=ctx.clock.now())
    if stands == "waiting":
        witness.reached("waiting", on="approval", candidate=told["candidate"], reason="a person has to say yes")
        return None
    if stands != "promote":
        witness.reached("held", candidate=told["candidate"], reason=f"let through, but then: {stands}")
        return None
    inputs = ServeInputs(
        checkpoint=ctx.store.open(told["candidate"], Checkpoint), report=ctx.store.open(told["report"], Report)
    )
    release = steps.do("release 2", serve.run, spec=spec.serve, inputs=inputs)
    witness.reached("released", release=release.id)
    if isinstance(spec.watch.rollout, ThroughCanary):
        _begin(spec, spec.watch.rollout, release=release, steps=steps)
        return release
    current = ctx.ledger.alias(spec.alias)
    if current is None or current.target != release.id:
        reason = f"{witness.name}: gate {told['rule_digest']}"
        move = registry.to(spec.alias, release.id, reason=reason, ctx=ctx)
        witness.move(move, state="promoted", release=release.id, reason=told["reason"])
    else:
        witness.reached("held", release=release.id, reason="what was trained is what is in production")
    return release


def go_back(spec: ProjectSpec, lesson: Lesson, *, steps: Steps) -> None:
    """Put the release before the current one back into production.

    Raises:
        UsageError: there is no earlier release.
    """
    move = registry.back(spec.alias, reason=lesson.reason, ctx=steps.ctx)
    steps.witness.move(move, state="rolled_back", release=move.target, reason=lesson.reason)


def follow(spec: ProjectSpec, told: dict[str, Any], *, steps: Steps) -> None:
    """See how the rollout of a run stands, and end the run with it; nothing happens while it is under way.

    Args:
        spec: of the project.
        told: the facts of the run's state `rolling`.
        steps: of the run.
    """
    ctx, witness = steps.ctx, steps.witness
    desk = Desk(ledger=ctx.ledger, store=ctx.store, clock=ctx.clock)
    rollout = desk.read().known[told["rollout"]]
    plan = spec.watch.rollout
    if rollout.running and isinstance(plan, ThroughCanary) and overdue(rollout, plan, ctx=ctx):
        reason = f"{witness.name}: no verdict within {plan.hours:g} hours"
        rollout = desk.abort(rollout, actor=ctx.actor, reason=reason)
    if rollout.running:
        return
    state = {"finished": "promoted", "rolled back": "rolled_back"}.get(rollout.phase, "held")
    facts = {"rollout": rollout.id, "release": told["release"], "reason": rollout.changes[-1].facts["reason"]}
    witness.reached(state, **facts)


def overdue(rollout: Rollout, plan: ThroughCanary, *, ctx: RunContext) -> bool:
    """Whether a rollout has had its time without a verdict."""
    begun = dt.datetime.fromisoformat(rollout.changes[0].at)
    return ctx.clock.now() >= begun + dt.timedelta(hours=plan.hours)


def gateway_answers(plan: ThroughCanary, *, ctx: RunContext) -> bool:
    """Whether a gateway is there that a rollout's traffic would go through."""
    url = plan.gateway or _own_gateway(ctx)
    if url is None:
        return False
    try:
        return httpx2.get(f"{url.rstrip('/')}/readyz", timeout=_look_s).status_code == 200
    except httpx2.TransportError:
        return False


def _begin(spec: ProjectSpec, plan: ThroughCanary, *, release: Release, steps: Steps) -> None:
    """Begin the rollout of a run's release, or find the one that it began before a crash."""
    ctx, witness = steps.ctx, steps.witness
    desk = Desk(ledger=ctx.ledger, store=ctx.store, clock=ctx.clock)
    known = desk.read()
    reason = f"{witness.name}: the gate let it through"
    found = next((one for one in known.known.values() if _is_ours(one, release.id, reason=reason)), None)
    if found is None and not gateway_answers(plan, ctx=ctx):
        witness.reached("waiting", on="gateway", release=release.id, reason="no gateway answers, so nothing rolls out")
        return
    if found is None and (other := known.running(spec.alias)) is not None:
        reason = f"{other.id} is under way on {spec.alias}"
        witness.reached("waiting", on="rollout", release=release.id, reason=reason)
        return
    if found is None:
        wanted = plan.rollout(release.id)
        found = desk.start(wanted, alias=spec.alias, actor=ctx.actor, reason=reason, fence=witness.fence)
        ctx.progress.say(f"{found.id}: {digests.short(release.id)} meets its first share of the traffic")
    witness.reached("rolling", rollout=found.id, release=release.id, reason=f"{found.id} is under way")


def _is_ours(rollout: Rollout, release: str, *, reason: str) -> bool:
    return rollout.changes[0].facts["reason"] == reason and release in rollout.spec.candidates


def _own_gateway(ctx: RunContext) -> str | None:
    """Address of the gateway that runs in the project's folder; None where none does."""
    place = Place(ctx.root).address
    return str(json.loads(place.read_bytes())["url"]) if place.is_file() else None
