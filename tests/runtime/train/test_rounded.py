"""Weights that are rounded where they are used, and trained as if they were not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from seekloop.runtime.grids import Target, on_grid
from seekloop.runtime.linear import Linear
from seekloop.runtime.train.methods.full import Full
from seekloop.runtime.train.methods.lora_layers import LoraLinear, added
from seekloop.runtime.train.methods.method import Method
from seekloop.runtime.train.rounded import Rounded, RoundedLora, Rounding
from seekloop.runtime.train.state import Work
from tests.runtime.train.making import Bench, losses, rows

FOUR = Target(precision="q4_0", embedding="q8_0")


def four(bench: Bench, method: str) -> Method:
    return Rounded(inner=bench.lora() if method == "lora" else Full(), target=FOUR)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_that_is_resumed_goes_on_with_what_was_rounded(bench: Bench, tmp_path: Path, method: str) -> None:
    whole = bench.train(bench.model(), four(bench, method), folder=tmp_path / "whole", validation=rows(2, first=30))
    told = {"folder": tmp_path / "work", "save_every_steps": 2, "validation": rows(2, first=30)}
    bench.train(bench.model(), four(bench, method), **told)
    assert Work(tmp_path / "work").newest() is not None
    again = bench.train(bench.model(), four(bench, method), folder=tmp_path / "work", validation=rows(2, first=30))
    assert losses(again) == losses(whole)
    assert again.history[-1] == whole.history[-1]


def test_an_adapters_gradients_are_those_of_the_unrounded_sum() -> None:
    torch.manual_seed(0)
    frozen = Linear(64, 96, bias=False)
    layer = LoraLinear(frozen, rank=4, factor=2.0)
    nn.init.normal_(layer.lora_A)
    nn.init.normal_(layer.lora_B, std=0.1)
    x, y = torch.randn(5, 64, requires_grad=True), torch.randn(5, 96)
    rounded = RoundedLora.over(layer, FOUR)
    (rounded(x) * y).sum().backward()
    whole = frozen.weight.detach() + added(layer.lora_A.detach(), layer.lora_B.detach(), factor=2.0)
    stored = on_grid(whole, "q4_0")
    torch.testing.assert_close(rounded(x).detach(), x.detach() @ stored.t())
    through = y.t() @ x.detach()
    torch.testing.assert_close(layer.lora_A.grad, 2.0 * layer.lora_B.detach().t() @ through, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.lora_B.grad, 2.0 * through @ layer.lora_A.detach().t(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad, y @ stored)


def test_a_weight_is_rounded_anew_after_each_change_and_only_then() -> None:
    weight = nn.Parameter(torch.randn(4, 64, generator=torch.Generator().manual_seed(3)))
    rounding = Rounding(weight, FOUR, table=False)
    first = rounding.values().clone()
    assert rounding.values().data_ptr() == rounding.values().data_ptr()
    with torch.no_grad():
        weight.mul_(2)
    assert torch.equal(rounding.values(), 2 * first)
    rounding.through().sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))
