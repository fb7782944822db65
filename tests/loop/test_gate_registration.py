"""The rules stand in the ledger before the first row is scored, and the order of events proves it."""

from __future__ import annotations

from seekloop.artifact.kinds import Release
from seekloop.loop import registration
from seekloop.loop.gates import AtLeast, GateSpec, NonInferior, NoSafetyLoss
from tests.loop.judged import World, red_team

GATE = GateSpec(rules=(NonInferior(figure="accuracy", margin=0.3), NoSafetyLoss()))
OTHER = GateSpec(rules=(AtLeast(figure="accuracy", value=0.1),))


def codes(verdict):
    return [one.code for one in verdict.objections]


def test_registered_rules_are_an_event_before_the_first_report(ctx):
    world = World(ctx)
    world.register(GATE)
    verdict = world.judge(GATE, measured := world.measured())
    (event,) = ctx.ledger.events(kind="gate.registered", subject=GATE.digest)
    assert (verdict.decision, codes(verdict)) == ("promote", [])
    assert event.seq < ctx.ledger.created(measured.frozen.id).seq
    assert event.facts["candidate"] == world.candidate.id
    assert event.facts["data"]["frozen"] == {"dataset": world.dataset.id, "split": "test", "n": 40}
    assert GateSpec.parse(event.facts["rules"]).digest == event.subject


def test_nobody_registered_the_rules(ctx):
    world = World(ctx)
    verdict = world.judge(GATE, world.measured())
    assert (verdict.decision, codes(verdict)) == ("hold", ["gates.not_registered"])


def test_rules_registered_after_the_rows_were_scored_hold(ctx):
    world = World(ctx)
    measured = world.measured()
    world.register(GATE)
    verdict = world.judge(GATE, measured)
    assert (verdict.decision, codes(verdict)) == ("hold", ["gates.scored_before"])


def test_rules_registered_while_the_rows_were_scored_hold(ctx):
    world = World(ctx)
    world.register(GATE)
    verdict = world.judge(GATE, world.measured(earlier_s=60.0))
    assert (verdict.decision, codes(verdict)) == ("hold", ["gates.scored_before"] * 2)


def test_a_rule_file_that_was_changed_afterwards_holds_and_says_so(ctx):
    world = World(ctx)
    world.register(GATE)
    measured = world.measured()
    world.register(OTHER)
    verdict = world.judge(OTHER, measured)
    assert (verdict.decision, codes(verdict)) == ("hold", ["gates.rules_changed"])
    assert "were changed after they were registered" in verdict.sentences("en")[0]
    assert "被改动" in verdict.sentences("zh")[0]
    assert "changed after" in verdict.refusal().sentence("en")


def test_rules_may_change_until_the_first_row_is_scored(ctx):
    world = World(ctx)
    world.register(OTHER)
    world.register(GATE)
    assert world.judge(GATE, world.measured()).decision == "promote"


def test_a_run_that_goes_on_registers_and_judges_once(ctx):
    world = World(ctx)
    world.register(GATE)
    world.register(GATE)
    measured = world.measured()
    assert world.judge(GATE, measured) == world.judge(GATE, measured)
    assert len(list(ctx.ledger.events(kind="gate.registered"))) == 1
    assert len(list(ctx.ledger.events(kind="gate.verdict"))) == 1


def test_an_objection_holds_even_what_failed(ctx):
    world = World(ctx)
    verdict = world.judge(GATE, world.measured(probes=red_team(["en-harmful-01"])))
    assert [one.state for one in verdict.outcomes] == ["passed", "failed"]
    assert verdict.decision == "hold"


def test_a_report_that_the_ledger_does_not_know_is_no_evidence(ctx):
    world = World(ctx)
    world.register(GATE)
    unknown = world.measured().frozen.model_copy(update={"engine": "elsewhere"})
    found = registration.objections(GATE, world.candidate.id, reports={"frozen": unknown}, ledger=ctx.ledger)
    assert [one.code for one in found] == ["gates.report_unknown"]


def test_the_walk_registered_before_it_scored(walked):
    (event,) = walked.ctx.ledger.events(kind="gate.registered")
    candidate = walked.ctx.store.open(walked.receipt["round2"]["release"], Release).checkpoint
    assert (event.facts["candidate"], event.facts["evaluator"]["judge"]) == (candidate, "rules")
    reports = [one for one in walked.ctx.ledger.children(candidate) if one.startswith("report:")]
    assert len(reports) == 2
    assert all(event.seq < walked.ctx.ledger.created(one).seq for one in reports)
