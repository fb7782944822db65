"""Adapter layers: nothing changes before the first step, and they come back from their folder bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.runtime.train.methods.bottleneck import Bottleneck, BottleneckConfig
from seekloop.runtime.train.methods.method import trainable
from seekloop.system.errors import ModelError
from tests.runtime.train.making import Bench

IDS = torch.arange(20).unsqueeze(0)


def _logits(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


@pytest.mark.parametrize("family", ["smollm2", "deepseek-v2", "deepseek-v3"])
@pytest.mark.parametrize("placement", ["houlsby", "pfeiffer"])
def test_they_begin_as_nothing_and_come_back(ctx: RunContext, tmp_path: Path, family: str, placement: str) -> None:
    bench = Bench(ctx, family)
    model, method = bench.model(), Bottleneck(config=BottleneckConfig(width=4, placement=placement))
    method.apply(model, seed=0)
    assert torch.equal(_logits(model), _logits(bench.model()))
    with torch.no_grad():
        for value in trainable(model).values():
            value.normal_(std=0.3)
    assert method.export(model, tmp_path) == sum(value.numel() for value in trainable(model).values())
    again = bench.model()
    open_adapter(again, tmp_path)
    assert torch.equal(_logits(again), _logits(model))
    assert not torch.allclose(_logits(model), _logits(bench.model()), atol=1e-2)


def test_pfeiffer_has_half_the_weights_of_houlsby(bench: Bench) -> None:
    def count(placement: str) -> int:
        model = bench.model()
        Bottleneck(config=BottleneckConfig(width=4, placement=placement)).apply(model, seed=0)
        return sum(value.numel() for value in trainable(model).values())

    assert count("houlsby") == 2 * count("pfeiffer") > 0


def test_those_of_another_base_are_refused(ctx: RunContext, tmp_path: Path) -> None:
    model = Bench(ctx, "deepseek-v2").model()
    method = Bottleneck(config=BottleneckConfig(width=4))
    method.apply(model, seed=0)
    method.export(model, tmp_path)
    smaller = Bench(ctx).model()
    smaller.get_decoder().layers = smaller.get_decoder().layers[:1]
    with pytest.raises(ModelError) as caught:
        open_adapter(smaller, tmp_path)
    assert caught.value.code == "train.adapter_of_another_base"
