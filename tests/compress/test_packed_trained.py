"""Trained for whole numbers (`quantise_for: int4`, `int8`): packed forms hold what was trained, to the bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from seekloop.compress.packed.spec import Int8WeightsMethod, W4A16Method, W8A8Method
from seekloop.compress.packed.trained import trained_steps
from seekloop.compress.spec import CompressInputs, CompressSpec, GgufMethod, MergeMethod
from seekloop.compress.stage import run
from seekloop.runtime import models
from seekloop.runtime.grids import on_grid
from seekloop.runtime.packed import read_layers
from seekloop.runtime.rounding import Grid, codes_of, values_of
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError, SeekloopError
from seekloop.system.progress import Silent
from seekloop.tune.quantise_spec import QuantiseSpec
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run as tune
from tests.compress.test_packed_peer import logits_of_ours, logits_of_theirs
from tests.runtime.train.making import dataset, rows

FOR_INT4: dict[str, Any] = {"precision": "int4", "group": 32}
METHODS: dict[str, Any] = {"lora": {"type": "lora", "rank": 4}, "full": {"type": "full"}}


class Listener(Silent):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def trained(ctx, tiny):
    def make(target, method="lora", base=tiny):
        told = {"epochs": 1, "rows_per_step": 4, "learning_rate": 0.01, "quantise_for": target}
        spec = TuneSpec.parse({"method": METHODS[method], **told})
        return tune(spec, TuneInputs(dataset=dataset(ctx, train=rows(8)), checkpoint=base), ctx=ctx)

    return make


def same_weights(ctx, checkpoint, made):
    """Whether the file holds every weight that the trained model computes with."""
    wanted, folder = models.load(checkpoint, store=ctx.store).state_dict(), ctx.store.folder(made.id)
    found = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    found |= {f"{name}.weight": value for name, value in read_layers(folder)}
    wanted.pop("lm_head.weight")  # tied
    return all(torch.equal(value, found[name]) for name, value in wanted.items())


@pytest.mark.parametrize(
    ("target", "method"),
    [(FOR_INT4, W4A16Method()), ("int8", Int8WeightsMethod()), ("int8", W8A8Method())],
    ids=["w4a16", "w8a16", "w8a8"],
)
@pytest.mark.parametrize("how", METHODS)
def test_a_packed_form_holds_what_was_trained_without_calibration(ctx, trained, compress, how, target, method):
    checkpoint = trained(target, how)
    made = compress(checkpoint, method)
    assert same_weights(ctx, checkpoint, made)


def test_transformers_computes_what_was_trained(ctx, trained, compress):
    made = compress(trained(FOR_INT4), W4A16Method())
    theirs, ours = logits_of_theirs(ctx.store.folder(made.id)), logits_of_ours(made, ctx)
    assert (theirs - ours).abs().max() <= 1e-6 * theirs.abs().max()


def test_merged_first_it_is_stored_as_exactly(ctx, trained, compress):
    checkpoint = trained(FOR_INT4)
    merged = compress(checkpoint, MergeMethod())
    assert same_weights(ctx, checkpoint, compress(merged, W4A16Method()))


@pytest.mark.parametrize(
    "method",
    [W4A16Method(rounding="gptq"), W4A16Method(group=64), W4A16Method(dtype="bf16"), W4A16Method(symmetric=False)],
    ids=["gptq", "group", "dtype", "zeros"],
)
def test_a_dial_that_would_round_again_is_refused(trained, compress, method):
    with pytest.raises(ModelError) as caught:
        compress(trained(FOR_INT4), method)
    assert caught.value.code == "compress.trained_grid"


def test_another_form_says_that_it_rounds_again(ctx, trained):
    listener, checkpoint = Listener(), trained(FOR_INT4)
    loud = dataclasses.replace(ctx, progress=listener)
    run(CompressSpec(method=GgufMethod(precision="q8_0")), CompressInputs(checkpoint=checkpoint), ctx=loud)
    assert any("was trained for int4" in line and "rounds it once more" in line for line in listener.lines)


@pytest.mark.parametrize("told", [{"precision": "int4", "embedding": "q8_0"}, {"precision": "int4", "group": 48}])
def test_what_no_form_stores_cannot_be_trained_for(told):
    with pytest.raises(ValidationError):
        QuantiseSpec.model_validate(told)


def test_experts_which_are_not_rounded_in_training_are_refused(ctx, trained):
    with pytest.raises(SeekloopError) as caught:
        trained("int8", "full", base=tiny_base(ctx, family="deepseek-v2"))
    assert caught.value.code == "train.not_rounded"


@pytest.mark.parametrize(("grid", "bits", "group"), [("int4", 4, 32), ("int8", 8, None)])
def test_codes_are_read_off_a_weight_on_the_grid(grid, bits, group):
    weight = torch.randn(64, 96, generator=torch.Generator().manual_seed(3)) * torch.logspace(-9, 2, 64).unsqueeze(1)
    weight[5] = 0
    there = on_grid(weight, grid, group=32)
    told = Grid(bits=bits, group=group)
    steps = trained_steps(there, told)
    assert torch.equal(steps.scales, steps.scales.half().float())
    assert torch.equal(values_of(codes_of(there, told, steps=steps), steps), there)
