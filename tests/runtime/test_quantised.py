"""Weights in four or eight bits: the published values, bounded errors, and exactly the product of what is unpacked."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.runtime import models
from seekloop.runtime.linear import Linear
from seekloop.runtime.quantised import (
    LEVELS,
    Quantisation,
    QuantisedLinear,
    linear_layers,
    quantise,
    read_note,
    rounded,
    unpack,
    write_note,
)
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import ModelError

NF4, DOUBLE, INT8 = Quantisation(), Quantisation(double=True), Quantisation(format="int8")
PUBLISHED = (
    *(-1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0),
    *(0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0),
)
IDS = torch.arange(40).unsqueeze(0)
shapes = given(out=st.integers(1, 40), inputs=st.integers(1, 40), seed=st.integers(0, 99))


def _weight(out: int, inputs: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(out, inputs, generator=torch.Generator().manual_seed(seed)) * 0.02


def test_the_values_of_nf4_are_the_published_ones() -> None:
    assert pytest.approx(PUBLISHED, abs=2e-7) == LEVELS


@settings(max_examples=30, deadline=None)
@shapes
def test_no_weight_is_further_off_than_half_the_widest_gap(out: int, inputs: int, seed: int) -> None:
    weight = _weight(out, inputs, seed)
    gap = max(after - before for before, after in itertools.pairwise(LEVELS))
    assert (rounded(weight, NF4) - weight).abs().max() <= gap / 2 * weight.abs().max() * 1.0001
    steps = weight.abs().amax(1, keepdim=True) / 127
    assert ((rounded(weight, INT8) - weight).abs() <= steps / 2 * 1.001).all()


@settings(max_examples=30, deadline=None)
@shapes
def test_nf4_gives_each_weight_the_nearest_of_its_values(out: int, inputs: int, seed: int) -> None:
    weight = _weight(out, inputs, seed).reshape(-1)[:64]
    scale = weight.abs().max()
    candidates = torch.tensor(LEVELS) * scale
    nearest = (weight[:, None] - candidates).abs().amin(1)
    torch.testing.assert_close((rounded(weight[None], NF4)[0] - weight).abs(), nearest, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("how", "bits"), [(NF4, 4.5), (DOUBLE, 4.13), (INT8, 8.13)], ids=["nf4", "double", "int8"])
def test_a_weight_takes_so_many_bits(how: Quantisation, bits: float) -> None:
    layer = QuantisedLinear(nn.Linear(256, 512, bias=False), how)
    stored = sum(value.numel() * value.element_size() for value in [*layer.buffers(), *layer.parameters()])
    assert 8 * stored / (256 * 512) == pytest.approx(bits, rel=0.01)


def test_double_quantisation_costs_hardly_any_precision() -> None:
    weight = _weight(200, 300)
    plain, double = ((rounded(weight, how) - weight).norm().item() for how in (NF4, DOUBLE))
    assert double == pytest.approx(plain, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(
    out=st.integers(1, 20),
    inputs=st.integers(1, 20),
    bias=st.booleans(),
    how=st.sampled_from([NF4, DOUBLE, INT8]),
    seed=st.integers(0, 99),
)
def test_the_product_and_its_gradient_are_those_of_the_unpacked_weight(
    out: int, inputs: int, bias: bool, how: Quantisation, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = nn.Linear(inputs, out, bias=bias).requires_grad_(False)
    stored = QuantisedLinear(layer, how)
    x, weights = torch.randn(3, inputs, requires_grad=True), torch.randn(3, out)
    found, wanted = stored(x), nn.functional.linear(x, rounded(layer.weight, how), layer.bias)
    torch.testing.assert_close(found, wanted)
    ours, theirs = (torch.autograd.grad((y * weights).sum(), x)[0] for y in (found, wanted))
    torch.testing.assert_close(ours, theirs)


def test_a_row_of_zeros_stays_zeros() -> None:
    for how in (NF4, DOUBLE, INT8):
        assert not rounded(torch.zeros(4, 64), how).any()


def test_a_stored_model_answers_as_its_unpacked_weights_do(ctx: RunContext) -> None:
    base = tiny_base(ctx)
    stored, plain = models.load(base, store=ctx.store, storage=NF4), models.load(base, store=ctx.store)
    with torch.no_grad():
        for name in linear_layers(plain):
            plain.get_submodule(name).weight.copy_(rounded(plain.get_submodule(name).weight, NF4))
        wanted = plain(input_ids=IDS).logits
        torch.testing.assert_close(stored(input_ids=IDS).logits, wanted)
        assert not any(isinstance(layer, QuantisedLinear) for layer in unpack(stored).modules())
        torch.testing.assert_close(stored(input_ids=IDS).logits, wanted)


def test_the_head_stays_as_it_is(ctx: RunContext) -> None:
    model = models.load(tiny_base(ctx, family="qwen2"), store=ctx.store, storage=INT8)
    assert isinstance(model.get_output_embeddings(), Linear)
    assert all(
        isinstance(model.get_submodule(f"model.layers.0.mlp.{name}_proj"), QuantisedLinear) for name in ("up", "down")
    )


def test_a_model_from_its_file_and_from_memory_are_stored_alike(ctx: RunContext) -> None:
    base = tiny_base(ctx, family="deepseek-v3")
    from_file, in_memory = models.load(base, store=ctx.store, storage=NF4), models.load(base, store=ctx.store)
    quantise(in_memory, NF4)
    for name, value in from_file.named_buffers():
        assert torch.equal(value, in_memory.get_buffer(name))


def test_the_note_says_how_a_base_was_stored(tmp_path: Path) -> None:
    assert read_note(tmp_path) == (None, ())
    write_note(tmp_path, DOUBLE, layers=("b", "a"))
    assert read_note(tmp_path) == (DOUBLE, ("a", "b"))


def test_a_storage_that_is_not_known_is_refused(tmp_path: Path) -> None:
    write_note(tmp_path, NF4, layers=("a",))
    path = tmp_path / "base_quantisation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": "fp3"}))
    with pytest.raises(ModelError) as refused:
        read_note(tmp_path)
    assert refused.value.code == "train.base_storage"


def test_layers_that_the_model_lacks_are_refused(ctx: RunContext) -> None:
    model = models.load(tiny_base(ctx), store=ctx.store)
    with pytest.raises(ModelError) as refused:
        quantise(model, NF4, layers=("model.layers.9.mlp.up_proj",))
    assert refused.value.code == "train.adapter_of_another_base"
