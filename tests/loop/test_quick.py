"""Quick mode: nested samples within the minutes, found again, and a verdict that says no more than was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seekloop.artifact.kinds import Dataset
from seekloop.artifact.rows import read_rows
from seekloop.loop.quick import page
from seekloop.loop.quick.run import EVENT, quick
from seekloop.loop.quick.samples import sample
from seekloop.loop.quick.spec import QuickSpec
from seekloop.loop.quick.verdict import Point, verdict
from seekloop.metrics.learning_curve import Curve, curves
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import UsageError
from seekloop.tune.spec import TuneInputs
from tests.runtime.train.making import dataset, rows

SPEC = {
    "shares": [0.25, 0.5],
    "tune": {"method": {"rank": 2}, "rows_per_step": 4},
    "evaluate": {"max_tokens": 2, "threads": 1, "split": "validation", "resamples": 100},
}


@pytest.fixture
def inputs(ctx):
    made = dataset(ctx, train=rows(24), validation=rows(4, first=30))
    return TuneInputs(dataset=made, checkpoint=tiny_base(ctx))


def points(truth: Curve, sizes=(250, 500, 1000)) -> list[Point]:
    return [
        Point(
            rows=n,
            value=truth(n),
            low=truth(n) - 0.03,
            high=truth(n) + 0.03,
            n=600,
            seconds=1,
            checkpoint="",
            report="",
        )
        for n in sizes
    ]


def told(truth: Curve, **given):
    """The verdict on rows that are right as the curve says."""
    measured = points(truth)
    hardness = np.random.default_rng(0).random(600)
    right = np.array([(hardness < one.value).astype(float) for one in measured])
    measured = [Point(**{**one.__dict__, "value": float(row.mean())}) for one, row in zip(measured, right, strict=True)]
    found = curves([one.rows for one in measured], right, resamples=300, seed=0)
    return verdict(measured, found, figure="accuracy", full=4000, **{"least_gain": 0.01, **given})


def test_two_samples_are_trained_measured_recorded_and_found_again(ctx, inputs):
    spec = QuickSpec.parse(SPEC)
    found = quick(spec, inputs, ctx=ctx)
    assert [one.rows for one in found.points] == [6, 12]
    assert found.before is not None and found.before.checkpoint == inputs.checkpoint.id
    made = {record.id for record in ctx.ledger.artifacts("checkpoint")}
    (event,) = ctx.ledger.events(kind=EVENT, subject=found.points[-1].checkpoint)
    assert event.facts["verdict"]["state"] == found.verdict.state
    again = quick(spec, inputs, ctx=ctx)
    assert again.verdict == found.verdict
    assert {record.id for record in ctx.ledger.artifacts("checkpoint")} == made
    assert ctx.store.load(found.points[-1].report).parents["checkpoint"] == found.points[-1].checkpoint
    json.dumps(found.as_json(), allow_nan=False)
    assert found.verdict.sentence["zh"] in page.render(found, language="zh")


def test_no_sample_is_begun_that_would_end_too_late(ctx, inputs):
    with pytest.raises(UsageError) as caught:
        quick(QuickSpec.parse({**SPEC, "minutes": 1e-6, "untrained": False}), inputs, ctx=ctx)
    assert caught.value.code == "loop.quick_minutes"


def test_samples_that_are_the_same_rows_are_refused(ctx, inputs):
    with pytest.raises(UsageError) as caught:
        quick(QuickSpec.parse({**SPEC, "shares": [0.26, 0.27], "untrained": False}), inputs, ctx=ctx)
    assert caught.value.code == "loop.quick_same_rows"


def test_samples_nest_and_keep_every_label(ctx, inputs):
    small, large = (sample(inputs.dataset, share=share, ctx=ctx) for share in (0.2, 0.6))
    ids = [{row.id for row in read_rows(ctx.store.path(one.id, "train.jsonl"))} for one in (small, large)]
    labels = [{row.label for row in read_rows(ctx.store.path(one.id, "train.jsonl"))} for one in (small, large)]
    assert ids[0] < ids[1]
    assert labels[0] == labels[1] and len(labels[0]) == 6
    assert isinstance(ctx.store.load(small.id), Dataset)


@pytest.mark.parametrize(
    ("truth", "given", "state"),
    [
        (Curve(0.0, 12.0, 0.6), {}, "worth_it"),
        (Curve(0.0, 0.02, 0.0), {}, "enough"),
        (Curve(0.0, 0.4, 0.05), {"least_gain": 0.02}, "unsure"),
        (Curve(0.0, 3.0, 0.3), {"goal": 0.85}, "more_data"),
        (Curve(0.3, 0.5, 0.3), {"goal": 0.99}, "out_of_reach"),
        (Curve(0.0, 12.0, 0.6), {"learned": -0.01}, "no_sign"),
    ],
)
def test_a_curve_gets_the_verdict_it_deserves(truth, given, state):
    found = told(truth, **given)
    assert found.state == state
    assert all("{" not in said for said in found.sentence.values())


def test_shares_that_do_not_grow_are_refused():
    with pytest.raises(UsageError):
        QuickSpec.parse({"shares": [0.5, 0.25]})
