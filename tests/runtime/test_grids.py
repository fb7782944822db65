"""Rounded in torch as GGUF's own reference rounds, and what is on a grid stays there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seekloop.runtime.grids import Target, on_grid, read_target, width, write_target
from seekloop.system.errors import ModelError

GGUF = ("q8_0", "q4_1", "q4_0")
GROUPS = ("int8", "int4")
VALUES = st.floats(-4.0, 4.0, width=32, allow_subnormal=False)
FEW = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 127.0, 63.5])
MATRICES = arrays.arrays(np.float32, (3, 64), elements=VALUES | FEW)


def reference(values: np.ndarray, grid: str) -> np.ndarray:
    kind = GGMLQuantizationType[grid.upper()]
    with np.errstate(over="ignore", invalid="ignore"):  # scales of next to nothing have no inverse
        return dequantize(quantize(values, kind), kind).reshape(values.shape)


@pytest.mark.parametrize("grid", GGUF)
@settings(max_examples=150, deadline=None)
@given(values=MATRICES)
@example(values=np.zeros((3, 64), np.float32))
@example(values=np.tile(np.array([1, -1], np.float32), (3, 32)))
@example(values=np.full((3, 64), -2.5, np.float32))
def test_blocks_are_rounded_as_the_reference_rounds_them(grid: str, values: np.ndarray) -> None:
    assert np.array_equal(on_grid(torch.from_numpy(values), grid).numpy(), reference(values, grid))


@pytest.mark.parametrize("grid", GGUF)
@pytest.mark.parametrize("scale", [1e-7, 1e-3, 0.05, 30.0])
def test_weights_of_any_size_are_rounded_as_the_reference_rounds_them(grid: str, scale: float) -> None:
    values = np.random.default_rng(0).normal(0, scale, (700, 576)).astype(np.float32)
    assert np.array_equal(on_grid(torch.from_numpy(values), grid).numpy(), reference(values, grid))


@pytest.mark.parametrize("grid", [*GGUF, *GROUPS, "f16"])
@settings(max_examples=100, deadline=None)
@given(values=MATRICES)
def test_what_is_on_a_grid_stays_there(grid: str, values: np.ndarray) -> None:
    once = on_grid(torch.from_numpy(values), grid, group=16)
    assert torch.equal(on_grid(once, grid, group=16), once)


@pytest.mark.parametrize(("grid", "steps"), [("int8", 127), ("int4", 7)])
def test_groups_have_whole_numbers_of_their_own_scale(grid: str, steps: int) -> None:
    values = torch.randn(8, 64, generator=torch.Generator().manual_seed(1))
    size = width(grid, group=16, columns=64)
    groups, stored = values.view(-1, size), on_grid(values, grid, group=16).view(-1, size)
    scale = (groups.abs().amax(1, keepdim=True) / steps).half().float()
    codes = stored / scale
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-3)
    assert codes.abs().max() <= steps + 1e-3
    assert ((stored - groups).abs() <= scale * 0.51 + 1e-3).all()


def test_the_order_of_rows_means_nothing() -> None:
    values = torch.randn(16, 64, generator=torch.Generator().manual_seed(2))
    assert torch.equal(on_grid(values.flip(0).contiguous(), "q4_0"), on_grid(values, "q4_0").flip(0))


def test_a_format_from_a_newer_version_is_refused(tmp_path) -> None:
    write_target(tmp_path, Target(precision="q4_0", embedding="q8_0"))
    assert read_target(tmp_path) == Target(precision="q4_0", embedding="q8_0")
    note = next(tmp_path.iterdir())
    note.write_text(note.read_text().replace("q4_0", "q2_0"))
    with pytest.raises(ModelError) as caught:
        read_target(tmp_path)
    assert caught.value.code == "train.base_storage"
