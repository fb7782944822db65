"""How a new low-rank adapter begins. However it begins, the model computes what it did before."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from seekloop.runtime.linear import Linear
from seekloop.runtime.train.methods.lora_layers import DoraLinear, LoraLinear
from seekloop.system import seeds

__all__ = ["Start", "begin", "principal"]

Start = Literal["kaiming", "gaussian", "pissa"]
"""`kaiming`: A uniform, B zero, as in PEFT; `gaussian`: A normal, B zero; `pissa`: the principal part of W."""

_power_iterations = 8
_extra = 16


def begin(layer: LoraLinear, start: Start, *, name: str, seed: int) -> None:
    """Set A and B of a new layer.

    PiSSA (Meng et al. 2024) takes the principal part `factor B A` out of the frozen weight and trains it. The layer
    remembers where it began: against the whole weight it adds `factor (B A - B0 A0)`, of twice the rank.

    Args:
        layer: with B at zero.
        start: the kind.
        name: of the layer; each draws its own numbers.
        seed: of the run.
    """
    generator = torch.Generator().manual_seed(seeds.derive(seed, "train", "lora", name))
    match start:
        case "kaiming":
            nn.init.kaiming_uniform_(layer.lora_A, a=math.sqrt(5), generator=generator)
        case "gaussian":
            nn.init.normal_(layer.lora_A, std=1 / len(layer.lora_A), generator=generator)
        case "pissa":
            _take_out(layer, generator=generator)


@torch.no_grad()
def _take_out(layer: LoraLinear, *, generator: torch.Generator) -> None:
    whole = layer.frozen
    left, values, right = principal(whole.weight, len(layer.lora_A), generator=generator)
    roots = (values / layer.factor).sqrt()
    layer.lora_A.copy_(roots.unsqueeze(1) * right.t())
    layer.lora_B.copy_(left * roots)
    layer.start = (layer.lora_A.detach().clone(), layer.lora_B.detach().clone())
    rest = Linear(whole.in_features, whole.out_features, bias=whole.bias is not None, device="meta")
    rest.weight = nn.Parameter(whole.weight - layer.factor * layer.lora_B @ layer.lora_A, requires_grad=False)
    rest.bias = whole.bias
    layer.frozen = rest
    if isinstance(layer, DoraLinear):
        layer.begin()


def principal(weight: Tensor, rank: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The largest singular triples of `weight`: [out, rank], [rank], [in, rank].

    By subspace iteration with some vectors to spare (Halko et al. 2011, algorithm 4.4): a full decomposition of every
    layer of a model would take minutes.
    """
    width = min(rank + _extra, *weight.shape)
    basis = torch.randn(weight.shape[1], width, generator=generator)
    for _ in range(_power_iterations):
        basis = torch.linalg.qr(weight.t() @ torch.linalg.qr(weight @ basis).Q).Q
    left, values, right = torch.linalg.svd(weight @ basis, full_matrices=False)
    return left[:, :rank], values[:rank], (basis @ right.t())[:, :rank]
