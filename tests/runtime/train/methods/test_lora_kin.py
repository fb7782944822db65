"""DoRA, PiSSA, LoRA+ and ranks by layer: gradients against autograd and PEFT, and folders that PEFT opens."""

from __future__ import annotations

from pathlib import Path

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from seekloop.runtime.linear import Linear
from seekloop.runtime.train.methods.lora import Lora, LoraConfig, open_adapter
from seekloop.runtime.train.methods.lora_layers import DoraLinear, LoraLinear
from seekloop.runtime.train.methods.lora_start import begin, principal
from tests.runtime.train.making import Bench, losses, rows

IDS = torch.arange(40).unsqueeze(0)
TARGETS = ("q_proj", "v_proj", "down_proj")


def _logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def _stock(bench: Bench) -> nn.Module:
    return AutoModelForCausalLM.from_pretrained(bench.ctx.store.folder(bench.base.id), dtype=torch.float32)


def _layer(kind: type[LoraLinear], *, out: int, inputs: int, rank: int, bias: bool) -> LoraLinear:
    layer = kind(Linear(inputs, out, bias=bias).requires_grad_(False), rank=rank, factor=1.5)
    with torch.no_grad():
        for value in layer.parameters(recurse=False):
            value.add_(torch.randn_like(value) * 0.3)
    return layer


def _dora_in_plain_torch(layer: DoraLinear, x: Tensor) -> Tensor:
    weight = layer.frozen.weight + layer.factor * layer.lora_B @ layer.lora_A
    direction = weight / weight.detach().norm(dim=1, keepdim=True)
    return nn.functional.linear(x, layer.lora_magnitude_vector[:, None] * direction, layer.frozen.bias)


@settings(max_examples=25, deadline=None)
@given(
    out=st.integers(1, 9), inputs=st.integers(1, 9), rank=st.integers(1, 4), bias=st.booleans(), seed=st.integers(0, 99)
)
def test_doras_output_and_gradients_are_autograds(out: int, inputs: int, rank: int, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    layer = _layer(DoraLinear, out=out, inputs=inputs, rank=rank, bias=bias)
    x, weights = torch.randn(2, 3, inputs, requires_grad=True), torch.randn(2, 3, out)
    wanted = [x, *(value for value in layer.parameters(recurse=False))]
    found = (layer(x), _dora_in_plain_torch(layer, x))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
    ours, theirs = (torch.autograd.grad((y * weights).sum(), wanted) for y in found)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_doras_gradients_are_pefts(bench: Bench) -> None:
    theirs = peft.get_peft_model(_stock(bench), peft.LoraConfig(r=4, target_modules=list(TARGETS), use_dora=True))
    ours = bench.model()
    Lora(config=LoraConfig(rank=4, alpha=8.0, targets=TARGETS, magnitude=True)).apply(ours, seed=0)
    generator = torch.Generator().manual_seed(3)
    own = {name: value for name, value in ours.named_parameters() if value.requires_grad}
    same = {name: theirs.get_parameter(f"base_model.model.{name}.default.weight") for name in own}
    with torch.no_grad():
        for name, value in own.items():
            value.add_(torch.randn(value.shape, generator=generator) * 0.1)
            same[name].copy_(value)
    grads = [
        torch.autograd.grad(model(input_ids=IDS).logits.square().mean(), list(parameters.values()))
        for model, parameters in ((ours, own), (theirs, same))
    ]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("magnitude", [False, True], ids=["plain", "dora"])
@pytest.mark.parametrize("start", ["kaiming", "gaussian", "pissa"])
def test_a_new_adapter_changes_nothing(bench: Bench, start: str, magnitude: bool) -> None:
    model = bench.model()
    config = LoraConfig(rank=4, alpha=8.0, targets=TARGETS, magnitude=magnitude)
    Lora(config=config, start=start).apply(model, seed=0)
    torch.testing.assert_close(_logits(model), _logits(bench.model()), rtol=1e-5, atol=1e-5)


def test_what_pissa_takes_out_is_the_principal_part() -> None:
    torch.manual_seed(0)
    layer = LoraLinear(Linear(48, 80).requires_grad_(False), rank=5, factor=2.0)
    whole = layer.frozen.weight.clone()
    begin(layer, "pissa", name="one", seed=0)
    taken = layer.factor * layer.lora_B @ layer.lora_A
    torch.testing.assert_close(taken + layer.frozen.weight, whole)
    best = torch.linalg.svdvals(whole)[5:].square().sum()
    assert (whole - taken).square().sum() <= best * 1.0001


def test_the_largest_singular_triples_are_found() -> None:
    weight = torch.randn(90, 60, generator=torch.Generator().manual_seed(0))
    left, values, right = principal(weight, 60, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(left * values @ right.t(), weight, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(values, torch.linalg.svdvals(weight), rtol=1e-4, atol=1e-4)


VARIANTS = {
    "dora": {"config": {"magnitude": True}},
    "pissa": {"start": "pissa"},
    "pissa-dora": {"start": "pissa", "config": {"magnitude": True}},
    "pissa-rslora": {"start": "pissa", "config": {"scaling": "rank_stabilised"}},
    "pissa-patterns": {"start": "pissa", "config": {"ranks": {"q_proj": 2}, "alphas": {"v_proj": 3.0}}},
    "patterns": {"config": {"ranks": {"layers.1.mlp.down_proj": 6}, "alphas": {"q_proj": 2.0}}},
    "layers": {"config": {"layers": (1,)}},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_trained_variant_is_the_same_in_peft_on_the_untouched_base(bench: Bench, tmp_path: Path, name: str) -> None:
    given = dict(VARIANTS[name])
    config = LoraConfig(rank=4, alpha=8.0, targets=TARGETS, **given.pop("config", {}))
    method, model = Lora(config=config, **given), bench.model()
    state = bench.train(model, method, folder=tmp_path / "work", parts=rows(4))
    assert losses(state)[-1] < losses(state)[0]
    (tmp_path / "adapter").mkdir()
    method.export(model, tmp_path / "adapter")
    theirs = peft.PeftModel.from_pretrained(_stock(bench), tmp_path / "adapter").eval()
    torch.testing.assert_close(_logits(theirs), _logits(model), rtol=1e-4, atol=1e-4)
    again = bench.model()
    open_adapter(again, tmp_path / "adapter")
    torch.testing.assert_close(_logits(again), _logits(model), rtol=1e-4, atol=1e-4)


def test_only_the_named_layers_are_adapted(bench: Bench) -> None:
    model = bench.model()
    Lora(config=LoraConfig(rank=4, alpha=8.0, targets=TARGETS, layers=(1,), ranks={"v_proj": 2})).apply(model, seed=0)
    adapted = {name: len(each.lora_A) for name, each in model.named_modules() if isinstance(each, LoraLinear)}
    assert {name.split(".")[2] for name in adapted} == {"1"}
    assert {name.rpartition(".")[2]: rank for name, rank in adapted.items()} == {
        "q_proj": 4,
        "v_proj": 2,
        "down_proj": 4,
    }


def test_b_learns_at_its_own_rate(bench: Bench, tmp_path: Path) -> None:
    def moved(factor: float, folder: str) -> float:
        model, method = bench.model(), bench.lora()
        changes = {"rate_factors": {"lora_B": factor}, "learning_rate": 1e-4, "weight_decay": 0.0}
        bench.train(model, method, folder=tmp_path / folder, **changes)
        return max(
            value.detach().abs().max().item() for name, value in model.named_parameters() if name.endswith("lora_B")
        )

    assert moved(16.0, "plus") == pytest.approx(16 * moved(1.0, "plain"), rel=0.2)


def test_dropout_with_dora_keeps_the_base_whole(bench: Bench, tmp_path: Path) -> None:
    model = bench.model()
    method = Lora(config=LoraConfig(rank=4, alpha=8.0, targets=TARGETS, magnitude=True), dropout=0.1)
    state = bench.train(model, method, folder=tmp_path / "work", parts=rows(4))
    assert losses(state)[-1] < losses(state)[0]
