"""Shapes are cut from one parent, measured on the engine, and found again; the front is what none beats."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.loop.shapes.cut import CutInputs, cut
from seekloop.loop.shapes.page import page, table
from seekloop.loop.shapes.run import FINISHED, search
from seekloop.loop.shapes.spec import CutSpec, ShapesSpec
from seekloop.loop.shapes.trials import TRIAL, Trial, front
from seekloop.runtime import models
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError
from seekloop.tune.spec import TuneInputs
from tests.runtime.train.making import dataset, rows

SMALL = {
    "space": {"layers": [1.0, 0.5], "mlp": [1.0, 0.5], "groups": [1.0], "precisions": ["q8_0"], "ranks": [0]},
    "measure": {"rows": 2, "tokens": 2, "timed": 1},
    "trials": 3,
    "population": 2,
}
FIGURES = st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([1.0, 2.0, 3.0]), st.sampled_from([1.0, 2.0]))


@pytest.fixture
def inputs(ctx: RunContext) -> TuneInputs:
    data = dataset(ctx, train=rows(6), validation=rows(3, first=10))
    return TuneInputs(dataset=data, checkpoint=tiny_base(ctx))


def test_a_cut_of_nothing_is_the_parent(ctx: RunContext, inputs: TuneInputs) -> None:
    parent = models.load(inputs.checkpoint, store=ctx.store)
    config = parent.config
    spec = CutSpec(
        layers=config.num_hidden_layers, mlp=config.intermediate_size, groups=config.num_key_value_heads, rows=2
    )
    made = cut(spec, CutInputs(checkpoint=inputs.checkpoint, dataset=inputs.dataset), ctx=ctx)
    ids = torch.arange(20).unsqueeze(0)
    with torch.no_grad():
        assert torch.equal(models.load(made, store=ctx.store)(ids).logits, parent(ids).logits)


def test_a_cut_has_the_shape_that_was_asked_for(ctx: RunContext, inputs: TuneInputs) -> None:
    made = cut(
        CutSpec(layers=1, mlp=64, groups=1, rows=2),
        CutInputs(checkpoint=inputs.checkpoint, dataset=inputs.dataset),
        ctx=ctx,
    )
    model = models.load(made, store=ctx.store)
    config = model.config
    assert (config.num_hidden_layers, config.intermediate_size, config.num_key_value_heads) == (1, 64, 1)
    assert made.parameters == sum(value.numel() for value in model.parameters()) < inputs.checkpoint.parameters


def test_a_search_is_measured_once_and_its_front_is_written(ctx: RunContext, inputs: TuneInputs) -> None:
    spec = ShapesSpec.parse(SMALL)
    chosen = search(spec, inputs, ctx=ctx)
    measured = len(list(ctx.ledger.events(kind=TRIAL)))
    assert chosen.form == "gguf"
    assert search(spec, inputs, ctx=ctx).id == chosen.id
    assert len(list(ctx.ledger.events(kind=TRIAL))) == measured
    (folder,) = ctx.work.glob("shapes-*")
    found = json.loads((folder / "trials.json").read_text("utf-8"))
    assert len(found["trials"]) == 3
    assert found["trials"][0]["dials"]["layers"] == 1.0
    assert "<svg" in (folder / "front.html").read_text("utf-8")
    assert [event.subject for event in ctx.ledger.events(kind=FINISHED)] == [chosen.id] * 2


def test_the_rank_of_recovery_is_a_dial_of_the_search(ctx: RunContext, inputs: TuneInputs) -> None:
    """NSGA-II asks for ranks as for shapes: its adapter is trained after the cut and is in the file."""
    told = {**SMALL, "space": {**SMALL["space"], "layers": [0.5], "mlp": [1.0], "ranks": [2, 0]}}
    search(ShapesSpec.parse({**told, "recovery_steps": 2, "trials": 5, "population": 6}), inputs, ctx=ctx)
    (folder,) = ctx.work.glob("shapes-*")
    tried = json.loads((folder / "trials.json").read_text("utf-8"))["trials"]
    forms: dict[int, Checkpoint] = {}
    for trial in tried:
        forms[trial["dials"]["rank"]] = ctx.store.open(trial["checkpoint"], Checkpoint)
    assert forms.keys() == {0, 2}
    parents = {rank: ctx.store.open(form.parents["checkpoint"], Checkpoint) for rank, form in forms.items()}
    assert parents[0].form == "full"
    config = json.loads(ctx.store.path(parents[2].id, "adapter_config.json").read_text("utf-8"))
    assert (parents[2].form, config["r"], parents[2].parents["base"]) == ("adapter", 2, parents[0].id)
    assert len({form.id for form in forms.values()}) == 2


def test_limits_that_nothing_keeps_are_said(ctx: RunContext, inputs: TuneInputs) -> None:
    with pytest.raises(ModelError) as caught:
        search(ShapesSpec.parse({**SMALL, "trials": 1, "goal": {"size_mb": 1e-6}}), inputs, ctx=ctx)
    assert caught.value.code == "loop.no_shape"


def test_without_validation_rows_nothing_is_measured(ctx: RunContext, inputs: TuneInputs) -> None:
    bare = TuneInputs(dataset=dataset(ctx, train=rows(6)), checkpoint=inputs.checkpoint)
    with pytest.raises(ModelError) as caught:
        search(ShapesSpec.parse(SMALL), bare, ctx=ctx)
    assert caught.value.code == "loop.no_validation"


def test_an_architecture_without_such_a_shape_is_not_cut(ctx: RunContext, inputs: TuneInputs) -> None:
    latent: Checkpoint = tiny_base(ctx, family="deepseek-v2")
    with pytest.raises(ModelError) as caught:
        cut(CutSpec(layers=1, mlp=32, groups=1), CutInputs(checkpoint=latent, dataset=inputs.dataset), ctx=ctx)
    assert caught.value.code == "compress.no_such_shape"


@settings(deadline=None)
@given(st.lists(FIGURES, min_size=1, max_size=12))
def test_nothing_outside_the_front_is_unbeaten(figures: list[tuple[float, float, float]]) -> None:
    trials = [Trial(number=at, dials={}, accuracy=a, latency_ms=b, size_mb=c) for at, (a, b, c) in enumerate(figures)]
    best = front(trials)
    assert best
    for trial in trials:
        no_worse = [
            one
            for one in best
            if one.accuracy >= trial.accuracy and one.latency_ms <= trial.latency_ms and one.size_mb <= trial.size_mb
        ]
        assert no_worse
    assert len(table(best)) == len(best) + 1
    assert "<svg" in page(trials, tokens=16)
