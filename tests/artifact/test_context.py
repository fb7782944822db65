"""A job: what a stage writes becomes an artifact in the store and an event in the ledger, or nothing at all."""

from __future__ import annotations

import dataclasses

import pytest

from seekloop.system.clock import ManualClock
from seekloop.system.errors import ArtifactError
from tests.artifact.making import NoOptions, corpus, made


def test_a_committed_job_is_in_the_store_and_in_the_ledger_with_its_receipt(ctx):
    artifact = made(ctx, corpus(), {"rows.jsonl": b"{}\n"})
    (event,) = ctx.ledger.events()
    assert (event.kind, event.subject, event.actor) == ("artifact.created", artifact.id, "local")
    assert event.facts["receipt"] == ctx.store.receipt(artifact.id).model_dump(mode="json")


def test_a_job_that_fails_leaves_neither_files_nor_events(ctx):
    with pytest.raises(RuntimeError, match="on purpose"), ctx.job("data", NoOptions()) as job:
        job.path("rows.jsonl").write_bytes(b"half")
        raise RuntimeError("on purpose")
    assert (ctx.store.list(), list(ctx.ledger.events())) == ([], [])
    assert list((ctx.store.root / "tmp").iterdir()) == []


def test_seconds_before_a_resume_count(ctx):
    clock = ManualClock()
    timed = dataclasses.replace(ctx, clock=clock)
    with timed.job("tune", NoOptions()) as job:
        job.earlier_s = 100.0
        clock.advance(20)
        artifact = job.commit(corpus(made_by=job.origin), cost={"tokens": 7.0})
    receipt = timed.store.receipt(artifact.id)
    assert (receipt.wall_s, receipt.cost["tokens"]) == (120.0, 7.0)


def test_an_artifact_of_parents_that_nobody_can_open_is_not_recorded(ctx):
    with pytest.raises(ArtifactError) as caught:
        made(ctx, corpus(parents={"dataset": "dataset:00"}), {"rows.jsonl": b"{}\n"})
    assert caught.value.code == "artifact.not_found"
    assert list(ctx.ledger.events()) == []


def test_the_same_work_twice_is_one_artifact_and_one_event(ctx):
    first = made(ctx, corpus(), {"rows.jsonl": b"{}\n"})
    assert made(ctx, corpus(), {"rows.jsonl": b"{}\n"}).id == first.id
    assert len(list(ctx.ledger.events())) == 1
