"""A verdict is made again from the ledger to the byte, and an evaluator that failed is never better."""

from __future__ import annotations

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.artifact.kinds import Figure
from seekloop.loop import evidence, rehearing
from seekloop.loop.gates import AtMost, GateSpec, NonInferior, NoSafetyLoss
from seekloop.system.errors import ArtifactError, EngineError, UsageError
from tests.loop.judged import World, red_team

GATE = GateSpec(recipe="standard", rules=(NonInferior(figure="accuracy", margin=0.3),))


def judged(ctx, gate=GATE, **changes):
    world = World(ctx)
    world.register(gate)
    world.judge(gate, world.measured(**changes))
    (event,) = ctx.ledger.events(kind="gate.verdict")
    return world, event


@pytest.mark.parametrize("changes", [{}, {"wrong": range(0, 40, 2)}, {"probes": red_team(["en-harmful-01"])}])
def test_a_verdict_is_made_again_to_the_byte(ctx, changes):
    _, event = judged(ctx, **changes)
    assert rehearing.again(event, ctx=ctx).same
    assert event.facts["decision"] == rehearing.stored(event).decision


def test_other_numbers_than_the_reports_are_found(ctx):
    _, event = judged(ctx)
    facts = json.loads(json.dumps(event.facts))
    facts["evidence"]["frozen"]["figures"][0]["value"] = 0.99
    found = rehearing.again(dataclasses.replace(event, facts=facts), ctx=ctx)
    assert (found.same_evidence, found.same) == (False, False)


def test_another_decision_than_the_numbers_give_is_found(ctx):
    _, event = judged(ctx, wrong=range(0, 40, 2))
    found = rehearing.again(dataclasses.replace(event, facts={**event.facts, "decision": "promote"}), ctx=ctx)
    assert (found.same_verdict, found.same_evidence) == (False, True)


def test_objections_that_were_left_out_are_found(ctx):
    world = World(ctx)
    world.judge(GATE, world.measured())
    (event,) = ctx.ledger.events(kind="gate.verdict")
    found = rehearing.again(dataclasses.replace(event, facts={**event.facts, "objections": []}), ctx=ctx)
    assert not found.same_objections


def test_a_verdict_of_before_is_named(ctx):
    ctx.ledger.note("gate.verdict", "checkpoint:a", facts={"decision": "promote"}, actor="gate")
    (event,) = ctx.ledger.events(kind="gate.verdict")
    with pytest.raises(UsageError) as caught:
        rehearing.again(event, ctx=ctx)
    assert caught.value.code == "gates.not_replayable"


def test_figures_beside_the_reports_are_named_and_kept(ctx):
    gate = GateSpec(rules=(AtMost(figure="forgetting_points", value=2),))
    world = World(ctx)
    world.register(gate)
    points = Figure(name="forgetting_points", value=1.0, n=200, ci=(0.0, 1.9), unit="points", better="lower")
    verdict = world.judge(gate, dataclasses.replace(world.measured(), extra=(points,)))
    (event,) = ctx.ledger.events(kind="gate.verdict")
    assert (verdict.decision, rehearing.again(event, ctx=ctx).same) == ("promote", True)


class Stage:
    """Steps whose evaluator fails from the given call on."""

    def __init__(self, ctx, error):
        self.ctx, self.error = ctx, error

    def do(self, *_args, **_kwargs):
        """Fails."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (EngineError("evaluate.nothing_answered", rows=40, problem="503"), "503"),
        (RuntimeError("cuda"), "RuntimeError"),
    ],
)
def test_an_evaluator_that_failed_is_a_hold_and_never_better(ctx, error, problem):
    world = World(ctx)
    released = Released(world)
    with pytest.raises(type(error)):
        evidence.measure(
            world.spec(GATE), world.candidate, dataset=world.dataset, parent=released, steps=Stage(ctx, error)
        )
    (event,) = ctx.ledger.events(kind="gate.verdict")
    assert event.facts["decision"] == "hold"
    assert {one["state"] for one in event.facts["outcomes"]} == {"invalid"}
    assert problem in rehearing.stored(event).sentences("en")[0]
    assert rehearing.again(event, ctx=ctx).same


class Released:
    """What `registry.released` gives, of a world."""

    def __init__(self, world):
        self.base, self.checkpoint, self.frozen, self.report = world.parent, world.parent, world.dataset, world.before
        self.trained_on = world.dataset
        self.release = world.before


def test_a_round_whose_evaluator_came_back_is_judged_as_any_other(ctx):
    world = World(ctx)
    with pytest.raises(RuntimeError):
        evidence.measure(
            world.spec(GATE),
            world.candidate,
            dataset=world.dataset,
            parent=Released(world),
            steps=Stage(ctx, RuntimeError()),
        )
    assert world.judge(GATE, world.measured()).decision == "promote"
    assert [one.facts["decision"] for one in ctx.ledger.events(kind="gate.verdict")] == ["hold", "promote"]


def test_a_report_whose_answers_are_gone_is_no_verdict(ctx):
    gate = GateSpec(rules=(NoSafetyLoss(),))
    world = World(ctx)
    world.register(gate)
    measured = world.measured()
    ctx.store.path(measured.frozen.id, "probe_safety.jsonl").unlink()
    with pytest.raises(ArtifactError):
        world.judge(gate, measured)
    (event,) = ctx.ledger.events(kind="gate.verdict", subject=world.candidate.id)
    assert event.facts["decision"] == "hold"


@pytest.mark.parametrize(("asked", "code"), [(0, "gates.no_red_team"), (11, "gates.red_team_missing")])
def test_probes_without_an_answer_are_no_pass(ctx, asked, code):
    gate = GateSpec(rules=(NoSafetyLoss(),))
    world = World(ctx)
    world.register(gate)
    verdict = world.judge(gate, world.measured(probes=red_team(asked=asked)))
    assert (verdict.decision, verdict.outcomes[0].code) == ("hold", code)


def test_the_walks_verdict_is_shown_and_made_again_on_the_command_line(walked):
    folder = str(walked.project.folder)
    run = CliRunner().invoke
    (row,) = json.loads(run(app, ["gate", "show", "--project", folder, "--json"]).stdout)
    assert (row["decision"], row["standing"]) == ("promote", "promote")
    shown = run(app, ["gate", "show", row["candidate"][:24], "--project", folder])
    assert "registered" in shown.stdout
    assert "- passed: " in shown.stdout
    again = run(app, ["gate", "replay", row["candidate"], "--project", folder])
    assert "the same, byte for byte" in again.stdout
    refused = run(app, ["gate", "approve", row["candidate"], "--reason", "x", "--by", "li", "--project", folder])
    assert refused.exception.code == "gates.no_approval_asked"
    assert run(app, ["gate", "replay", "ffff", "--project", folder]).exception.code == "gates.unknown_candidate"
