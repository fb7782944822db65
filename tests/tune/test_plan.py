"""What is foretold of a run, what a probe measures, and what the receipt makes of both."""

from __future__ import annotations

import pytest

from seekloop.artifact.context import RunContext
from seekloop.model.devices import Machine
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.system.memory import PeakMeter, resident_bytes
from seekloop.tune import stage
from seekloop.tune.forecast import Census, census, crowd, forecast
from seekloop.tune.probe import probe
from seekloop.tune.record import read_plan, run_key
from seekloop.tune.spec import TuneInputs, TuneSpec
from tests.runtime.train.making import dataset, rows

HERE = Machine(name="here", memory=2**33, flops=1e10, source="made up", local=True, workers=2)
SPEC = TuneSpec.parse({"epochs": 2, "rows_per_step": 4, "learning_rate": 0.01, "method": {"rank": 4}})


@pytest.fixture
def inputs(ctx: RunContext) -> TuneInputs:
    return TuneInputs(dataset=dataset(ctx, train=rows(12), validation=rows(3, first=30)), checkpoint=tiny_base(ctx))


def counted(ctx: RunContext, inputs: TuneInputs) -> Census:
    codec = models.codec_of(inputs.checkpoint, store=ctx.store)
    return census(codec.views(row) for row in rows(12))


def test_the_census_counts_tokens_and_what_all_rows_begin_with(ctx: RunContext, inputs: TuneInputs) -> None:
    found = counted(ctx, inputs)
    codec = models.codec_of(inputs.checkpoint, store=ctx.store)
    views = [view for row in rows(12) for view in codec.views(row)]
    assert (found.tokens, found.views, found.longest) == (
        sum(len(view.ids) for view in views),
        12,
        max(len(view.ids) for view in views),
    )
    assert (
        len({view.ids[: found.prefix] for view in views}) == 1 < len({view.ids[: found.prefix + 1] for view in views})
    )


@pytest.mark.parametrize("budget", [64, 256, 4096])
def test_the_crowd_is_within_the_budget_and_the_run(ctx: RunContext, inputs: TuneInputs, budget: int) -> None:
    found = counted(ctx, inputs)
    spec = SPEC.model_copy(update={"tokens_per_batch": budget})
    crowded = crowd(found, spec, workers=2, seed=7)
    assert 0 < crowded.labelled <= crowded.tokens <= 2 * max(budget, found.longest)
    assert crowded.all_labelled == 2 * found.labelled
    assert crowded.several == (budget == 64)


def test_fewer_steps_take_less_time_and_full_training_more_memory(ctx: RunContext, inputs: TuneInputs) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    config |= {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 320, "tie_word_embeddings": True}
    card = models.codec_of(inputs.checkpoint, store=ctx.store).card
    found = counted(ctx, inputs)

    def of(**changes: object):
        spec = TuneSpec.parse({**SPEC.model_dump(exclude_defaults=True), **changes})
        return forecast(spec, config, card=card, counted=found, machine=HERE, seed=7)

    assert of(max_steps=2).seconds < of().seconds
    assert of(method={"type": "full"}).memory > of().memory


def test_the_receipt_holds_what_was_planned_beside_what_it_took(ctx: RunContext, inputs: TuneInputs) -> None:
    cost = ctx.store.receipt(stage.run(SPEC, inputs, ctx=ctx).id).cost
    assert cost["train_peak_mib"] > 100
    assert cost["plan_memory_error"] == pytest.approx(cost["planned_peak_mib"] / cost["train_peak_mib"] - 1, abs=1e-3)
    assert {"planned_train_s", "plan_time_error"} <= cost.keys()


def test_a_probe_is_kept_for_the_run_that_it_measured_and_changes_nothing(ctx: RunContext, inputs: TuneInputs) -> None:
    before = stage.run(SPEC, inputs, ctx=ctx).id
    found = probe(SPEC, inputs, ctx=ctx)
    assert (len(found.step_s), found.steps) == (3, 6)
    assert found.planned.how == "probe" and found.planned.seconds > 0
    assert read_plan(run_key(SPEC, inputs, ctx=ctx), ctx=ctx) == found.planned
    other = SPEC.model_copy(update={"epochs": 3})
    assert read_plan(run_key(other, inputs, ctx=ctx), ctx=ctx) is None
    assert stage.run(SPEC, inputs, ctx=ctx).id == before


def test_a_meter_forgets_what_was_held_before_it() -> None:
    large = bytearray(b"x") * (200 * 2**20)
    assert resident_bytes() > 200 * 2**20
    del large
    meter = PeakMeter()
    small = bytearray(b"x") * (50 * 2**20)
    assert not meter.exact or abs(meter.peak_bytes() - resident_bytes()) < 20 * 2**20
    del small
