from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seekloop.runtime.integers import IntegerLinear, integers_are_exact
from seekloop.runtime.packed import pack, unpack
from seekloop.runtime.rounding import Grid, codes_of, fake_tokens, steps_of, values_of


def weight(rows=6, columns=64, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@given(st.sampled_from([4, 8]), st.integers(1, 5), st.integers(1, 40), st.integers(0, 99))
def test_what_is_packed_unpacks_to_the_same_codes(bits, rows, columns, seed):
    half, random = 2 ** (bits - 1), torch.Generator().manual_seed(seed)
    codes = torch.randint(-half, half, (rows, columns), dtype=torch.int8, generator=random)
    packed = pack(codes, bits=bits)
    assert packed.shape == (rows, -(-columns * bits // 32)) and packed.dtype is torch.int32
    assert torch.equal(unpack(packed, columns, bits=bits), codes)


@given(st.sampled_from([4, 8]), st.sampled_from([None, 16, 32]), st.booleans(), st.integers(0, 99))
def test_a_value_inside_the_range_is_at_most_half_a_step_off(bits, group, symmetric, seed):
    grid, w = Grid(bits=bits, group=group, symmetric=symmetric), weight(seed=seed)
    steps = steps_of(w, grid, stored=torch.float32, search=False)
    codes = codes_of(w, grid, steps=steps)
    assert grid.lowest <= int(codes.min()) and int(codes.max()) <= grid.highest
    inside = (codes > grid.lowest) & (codes < grid.highest)
    step = steps.scales.repeat_interleave(grid.width(64), dim=1)
    assert ((values_of(codes, steps) - w).abs() <= step * 0.5001)[inside].all()


def test_rounded_weights_round_to_themselves():
    grid = Grid(bits=4, group=32)
    steps = steps_of(weight(), grid, stored=torch.bfloat16)
    codes = codes_of(weight(), grid, steps=steps)
    assert torch.equal(codes_of(values_of(codes, steps), grid, steps=steps), codes)


@pytest.mark.parametrize("symmetric", [True, False])
def test_searched_ranges_lose_no_more_than_whole_ones(symmetric):
    grid, w = Grid(bits=4, group=32, symmetric=symmetric), weight()

    def loss(search):
        steps = steps_of(w, grid, stored=torch.float32, search=search)
        return float((values_of(codes_of(w, grid, steps=steps), steps) - w).square().sum())

    assert loss(True) < loss(False)


def test_scales_are_exact_in_the_type_that_they_are_stored_in():
    scales = steps_of(weight(), Grid(bits=4, group=32), stored=torch.bfloat16).scales
    assert torch.equal(scales, scales.to(torch.bfloat16).float())


def test_a_weight_of_zeros_stays_zero():
    w = torch.zeros(2, 32)
    steps = steps_of(w, Grid(bits=4, group=None, symmetric=False), stored=torch.float16)
    assert torch.equal(values_of(codes_of(w, Grid(bits=4, group=None, symmetric=False), steps=steps), steps), w)


def test_rounding_for_tuning_keeps_the_gradient():
    x = weight(seed=1).requires_grad_()
    fake_tokens(x).sum().backward()
    assert (x.grad == 1).all()


def test_each_token_has_its_own_step():
    x = torch.tensor([[1.0, -0.5, 0.003], [100.0, 0.2, 0.0]])
    codes = fake_tokens(x) / (x.abs().amax(1, keepdim=True) / 127.5)
    assert torch.allclose(codes, codes.round(), atol=1e-4)
    assert codes[0].round().tolist() == [127, -64, 0] and codes[1].round().tolist() == [127, 0, 0]


@pytest.mark.skipif(not integers_are_exact(), reason="int8 products of this processor overflow, so they are not used")
@pytest.mark.parametrize("rows", [1, 5, 40])
def test_a_product_of_whole_numbers_is_that_of_the_rounded_values(rows):
    grid, w, x = Grid(bits=8, group=None), weight(48), weight(rows, seed=2)[None]
    steps = steps_of(w, grid, stored=torch.bfloat16, search=False)
    codes, bias = codes_of(w, grid, steps=steps), weight(1, 48)[0]
    layer = IntegerLinear(codes, steps.scales, bias)
    wanted = torch.nn.functional.linear(fake_tokens(x), values_of(codes, steps), bias)
    assert torch.equal(layer.weight, values_of(codes, steps))
    assert torch.allclose(layer(x), wanted, rtol=1e-5, atol=1e-5)
