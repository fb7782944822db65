"""The linear layers of one decoder layer, and what calibration saw come into each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Moment", "Moments", "Target", "experts_of", "is_target", "recording", "targets_of"]

Moments = dict[str, "Moment"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """One linear layer that is rounded."""

    name: str
    """In the file, without `.weight`."""
    weight: Tensor
    """[out, in]; a view of the model's own: what is written to it changes the model."""


class Moment:
    """Second moments and largest magnitudes of a linear layer's inputs; layers with the same inputs share one."""

    def __init__(self, width: int) -> None:
        self.products, self.peaks, self.count = torch.zeros(width, width), torch.zeros(width), 0

    def add(self, x: Tensor) -> None:
        """Take in inputs [tokens, width]."""
        if len(x):
            self.products.addmm_(x.t(), x)
            self.peaks = torch.maximum(self.peaks, x.abs().amax(0))
            self.count += len(x)

    def rescaled(self, scales: Tensor) -> Moment:
        """Of the same inputs, each column divided by its scale."""
        new = Moment(len(scales))
        new.products = self.products / scales.outer(scales)
        new.peaks, new.count = self.peaks / scales, self.count
        return new


def is_target(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor of a file is the weight of a linear layer inside the decoder, and no router's."""
    return name.startswith("model.layers.") and len(shape) == 2 and not name.endswith(".mlp.gate.weight")


def experts_of(layer: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of the fused experts inside a decoder layer."""
    for name, module in layer.named_modules():
        if {"gate_up_proj", "down_proj"} <= {key for key, _ in module.named_parameters(recurse=False)}:
            yield name, module


def targets_of(layer: nn.Module, prefix: str) -> list[Target]:
    """The linear layers of a decoder layer, experts one by one under the names of the file.

    Args:
        layer: a decoder layer.
        prefix: its name and a dot.
    """
    targets = [
        Target(name=prefix + name, weight=module.weight.data)
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear) and not name.endswith("mlp.gate")
    ]
    for name, module in experts_of(layer):
        for index, (both, down) in enumerate(zip(module.gate_up_proj.data, module.down_proj.data, strict=True)):
            gate, up = both.chunk(2)
            for part, weight in (("gate_proj", gate), ("up_proj", up), ("down_proj", down)):
                targets.append(Target(name=f"{prefix}{name}.{index}.{part}", weight=weight))
    return targets


@contextlib.contextmanager
def recording(layer: nn.Module, prefix: str, *, real: Callable[[], Tensor]) -> Iterator[Moments]:
    """Inside the block, what comes into the linear layers is added up, by their names.

    Args:
        layer: a decoder layer.
        prefix: its name and a dot.
        real: gives [rows, length] of the batch that is in the layer: which places hold a token.
    """
    moments: Moments = {}
    last: list[tuple[Tensor, Moment]] = []
    handles = []

    def see(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            # q, k and v get one and the same tensor: it is added up once, for all three.
            if last and last[0][0] is inputs[0]:
                moments.setdefault(name, last[0][1])
                return
            moment = moments.setdefault(name, Moment(module.in_features))
            moment.add(_real_tokens(inputs[0], real()))
            last[:] = [(inputs[0], moment)]

        return hook

    def see_experts(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            hidden, chosen = inputs[0][real().view(-1)], inputs[1][real().view(-1)]
            for index, both in enumerate(module.gate_up_proj):
                x = hidden[(chosen == index).any(1)]
                first = moments.setdefault(f"{name}.{index}.gate_proj", Moment(both.shape[1]))
                moments[f"{name}.{index}.up_proj"] = first
                second = moments.setdefault(f"{name}.{index}.down_proj", Moment(module.down_proj.shape[2]))
                first.add(x)
                gate, up = nn.functional.linear(x, both).chunk(2, dim=-1)
                second.add(module.act_fn(gate) * up)

        return hook

    for name, module in layer.named_modules():
        if isinstance(module, nn.Linear) and not name.endswith("mlp.gate"):
            handles.append(module.register_forward_pre_hook(see(prefix + name)))
    for name, module in experts_of(layer):
        handles.append(module.register_forward_pre_hook(see_experts(prefix + name)))
    try:
        yield moments
    finally:
        for handle in handles:
            handle.remove()


def _real_tokens(x: Tensor, real: Tensor) -> Tensor:
    """[tokens, width] of inputs [rows, length, width], [rows * length, width] or [rows, heads, length, width]."""
    if x.dim() == 4:
        return x.transpose(1, 2)[real].flatten(0, 1)
    return x[real] if x.dim() == 3 else x[real.view(-1)]
