"""Who agrees to a promotion stands in the ledger, by name, in time, and once."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from seekloop.artifact import approvals
from seekloop.loop import approval
from seekloop.loop.gates import GateSpec, NonInferior
from seekloop.system.clock import ManualClock
from seekloop.system.errors import UsageError
from tests.loop.judged import World

RULES = (NonInferior(figure="accuracy", margin=0.3),)
GATE = GateSpec(rules=RULES, approval="required", approval_hours=24)
TWO = GATE.model_copy(update={"two_persons": True})


def judged(ctx, gate=GATE, **changes):
    world = World(ctx)
    world.register(gate)
    world.judge(gate, world.measured(**changes))
    return world


def says(world, gate=GATE, *, agrees=True, by="wang", ctx=None):
    identity = world.candidate.id
    return approval.answer(identity, gate, agrees=agrees, by=by, reason="looked at it", ctx=ctx or world.ctx)


def approved(world, gate=GATE, **more):
    return approval.approved(world.candidate, world.spec(gate), ledger=world.ctx.ledger, **more)


def refused(world, gate=GATE, **more):
    with pytest.raises(UsageError) as caught:
        says(world, gate, **more)
    return caught.value.code


def test_without_the_rule_nobody_is_asked(ctx):
    gate = GateSpec(rules=RULES)
    world = judged(ctx, gate)
    assert approved(world, gate) is True
    assert refused(world, gate) == "gates.no_approval_asked"


def test_a_promotion_waits_until_somebody_agrees(ctx):
    world = judged(ctx)
    assert approved(world) is None
    assert approval.standing(world.candidate.id, GATE, ledger=ctx.ledger) == "waiting"
    assert says(world) == "approved"
    assert approved(world) is True
    (event,) = ctx.ledger.events(kind="gate.approved", subject=world.candidate.id)
    assert (event.actor, event.facts["reason"]) == ("wang", "looked at it")


def test_what_was_declined_stays_out(ctx):
    world = judged(ctx)
    says(world, agrees=False)
    assert approved(world) is False
    assert refused(world) == "gates.answered"


def test_what_the_rules_refused_nobody_can_approve(ctx):
    world = judged(ctx, wrong=range(30))
    assert approved(world) is False
    assert refused(world) == "gates.nothing_to_approve"


def test_what_was_never_judged_is_not_approved(ctx):
    assert approved(World(ctx)) is False


def test_an_approval_that_comes_too_late_does_not_count(ctx):
    world = judged(ctx)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    assert approved(world, now=later) is False
    assert refused(world, ctx=dataclasses.replace(ctx, clock=ManualClock(later))) == "gates.too_late"
    assert approved(world) is None


def test_two_persons_are_two(ctx):
    world = judged(ctx, TWO)
    assert refused(world, TWO, by=ctx.actor) == "gates.same_person"
    ctx.ledger.note(
        "gate.approved",
        world.candidate.id,
        facts={"verdict": approvals.newest_verdicts(ledger=ctx.ledger)[world.candidate.id].seq, "reason": ""},
        actor=ctx.actor,
    )
    assert approved(world, TWO) is None


def test_a_second_person_agrees(ctx):
    world = judged(ctx, TWO)
    says(world, TWO, by="wang")
    assert approved(world, TWO) is True


def test_a_project_file_that_asks_nobody_any_more_takes_no_approval_away(ctx):
    world = judged(ctx)
    assert approved(world, GateSpec(rules=RULES)) is None


def test_an_approval_is_of_one_verdict(ctx):
    world = judged(ctx)
    says(world)
    world.judge(GATE, world.measured(cost={"first_token_p95_s": 0.3}, earlier_s=0.0, wrong=[1]))
    assert approved(world) is None
