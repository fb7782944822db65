"""Artifacts, aliases and steps, as the ledger keeps them."""

from __future__ import annotations

import pytest

from seekloop.system.errors import LedgerError
from tests.artifact.making import RECEIPT, corpus


def test_an_artifact_is_recorded_once(both):
    for _ in range(3):
        both.record_artifact(corpus(), RECEIPT, actor="li")
    assert [event.subject for event in both.events(kind="artifact.created")] == [corpus().id]


def test_a_recorded_artifact_is_found_with_parents_date_and_cost(both):
    artifact = corpus(parents={"corpus": "corpus:1"})
    both.record_artifact(artifact, RECEIPT, actor="li")
    (found,) = both.artifacts("corpus")
    assert (found.id, found.parents, found.wall_s) == (artifact.id, {"corpus": "corpus:1"}, 1.5)
    assert both.artifacts("dataset") == []


def test_children_are_found_from_a_parent(both):
    first, second = corpus(parents={"a": "corpus:1"}), corpus(rows=2, parents={"a": "corpus:1", "b": "corpus:1"})
    both.record_artifact(second, RECEIPT, actor="li")
    both.record_artifact(first, RECEIPT, actor="li")
    assert both.children("corpus:1") == [second.id, first.id]


def test_an_alias_stands_for_its_newest_target_and_keeps_its_history(both):
    both.move_alias("production", "release:1", expected_version=0, actor="li", reason="first")
    both.move_alias("production", "release:2", expected_version=1, actor="wang", reason="better")
    both.move_alias("canary", "release:3", expected_version=None, actor="li", reason="try")
    assert both.alias("production") == both.alias_history("production")[-1]
    assert [(a.target, a.version, a.actor, a.reason) for a in both.alias_history("production")] == [
        ("release:1", 1, "li", "first"),
        ("release:2", 2, "wang", "better"),
    ]
    assert both.alias("staging") is None


def test_a_move_from_a_version_that_is_gone_is_refused_and_leaves_nothing(both):
    both.move_alias("production", "release:1", expected_version=None, actor="li", reason="first")
    for stale in (0, 2):
        with pytest.raises(LedgerError) as caught:
            both.move_alias("production", "release:2", expected_version=stale, actor="wang", reason="late")
        assert caught.value.code == "artifact.alias_moved"
    assert both.alias("production").target == "release:1"
    assert both.verify() == 1


def test_every_promotion_of_a_release_is_found_from_the_release(both):
    both.move_alias("production", "release:1", expected_version=None, actor="li", reason="a")
    both.move_alias("production", "release:2", expected_version=None, actor="li", reason="b")
    both.move_alias("production", "release:1", expected_version=None, actor="li", reason="c")
    assert [alias.reason for alias in both.promotions("release:1")] == ["a", "c"]


def test_a_finished_step_is_found_by_its_key_in_any_run(both):
    both.record_step(run="r1", name="tune", key="k1", outputs={"output": "checkpoint:1"}, actor="li")
    both.record_step(run="r2", name="tune", key="k1", outputs={"output": "checkpoint:2"}, actor="li")
    assert both.find_step("k1") == {"output": "checkpoint:2"}
    assert both.find_step("k2") is None
    assert [(step.name, step.outputs) for step in both.steps("r1")] == [("tune", {"output": "checkpoint:1"})]


def test_a_note_is_an_event_of_the_callers_own_kind(both):
    both.note("gate.verdict", "release:1", facts={"decision": "promote"}, actor="gate")
    (event,) = both.events(kind="gate.verdict", subject="release:1")
    assert (event.facts, event.actor) == ({"decision": "promote"}, "gate")


def test_a_note_cannot_pose_as_an_alias_move(both):
    with pytest.raises(ValueError, match=r"alias\.moved"):
        both.note("alias.moved", "production", facts={}, actor="mallory")


def test_facts_that_are_not_json_are_refused_and_leave_nothing(both):
    with pytest.raises(ValueError, match="Out of range"):
        both.note("metric.seen", "x", facts={"loss": float("nan")}, actor="li")
    assert both.verify() == 0


def test_events_are_read_in_order_from_any_number(both):
    for number in range(5):
        both.note("tick", str(number), facts={}, actor="clock")
    assert [event.subject for event in both.events(after=2)] == ["2", "3", "4"]
