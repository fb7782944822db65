"""How much each head, channel, layer and expert matters on calibration rows: measured once, for every cut.

- `taylor`: sum over a structure's weights of |w dL/dw|, a micro-batch at a time (first order of what the loss would
  change without it; Molchanov et al. 2019);
- `activation`: mean size of what the structure puts out, times the norm of the weights that read it;
- layers: block influence, 1 less the mean cosine of a layer's input and output states (Men et al. 2024);
- hidden: mean size of the residual stream (Muralidharan et al. 2024);
- experts: routing mass, the sum of the weights that tokens gave them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from seekloop.compress.smaller.shape import Shape
from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch, collate, share_out
from seekloop.runtime.train.loss import summed_loss
from seekloop.system.progress import Progress

__all__ = ["Importances", "Measure", "measure"]

Measure = Literal["taylor", "activation"]
_attention = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_dense = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


@dataclass(frozen=True, kw_only=True)
class Importances:
    """All fp64; a model that lacks a structure has zeros there."""

    layers: Tensor
    """[layers]."""
    hidden: Tensor
    """[hidden]."""
    heads: Tensor
    """[layers, heads]: of the query heads."""
    groups: Tensor
    """[layers, groups]: of keys and values with the query heads that they serve."""
    channels: Tensor
    """[layers, channels]."""
    experts: Tensor
    """[layers, experts]."""


def measure(
    model: nn.Module, views: Sequence[View], *, by: Measure, budget: int, pad: int, progress: Progress
) -> Importances:
    """Look at every view once.

    Args:
        model: fp32, in eval mode; it is as it was afterwards.
        views: of calibration rows, at least one.
        by: how heads, groups and channels are measured.
        budget: padded tokens that go through the model at one time.
        pad: id to fill with.
        progress: is told how far it is.

    Raises:
        ModelError: nothing is known of cutting this architecture.
    """
    sums = _Sums(model)
    parts = share_out(views, budget=budget, sharing=False, workers=1)[0]
    with _watched(sums), _grads(sums, on=by == "taylor"), progress.task("importance", total=len(views)) as task:
        for part in parts:
            batch = collate(part, pad=pad, sharing=False)
            sums.real = _real(batch)
            if by == "taylor":
                with torch.enable_grad():
                    summed_loss(model, batch).backward()
                sums.slopes()
                model.zero_grad(set_to_none=True)
            else:
                with torch.no_grad():
                    summed_loss(model, batch)
            task.advance(len(part))
    return sums.importances(by)


class _Sums:
    """Sums over all positions that were looked at."""

    def __init__(self, model: nn.Module) -> None:
        self.shape = shape = Shape.of(model.config)
        self.blocks: list[nn.Module] = list(model.get_decoder().layers)
        self.real = torch.zeros(0)
        self.latent = bool(model.config.to_dict().get("kv_lora_rank"))
        zeros = {"dtype": torch.float64}
        self.layers, self.positions = torch.zeros(shape.layers, **zeros), 0
        self.hidden = torch.zeros(shape.hidden, **zeros)
        self.heads = torch.zeros(shape.layers, shape.heads, **zeros)
        self.groups = torch.zeros(shape.layers, shape.groups, **zeros)
        self.channels = torch.zeros(shape.layers, shape.channels, **zeros)
        self.experts = torch.zeros(shape.layers, max(1, shape.experts), **zeros)
        self.put_out = {"heads": torch.zeros_like(self.heads), "channels": torch.zeros_like(self.channels)}

    def dense(self, index: int) -> bool:
        """Whether a layer has one feed-forward block for all tokens."""
        return "experts" not in dict(self.blocks[index].mlp.named_children())

    def weights(self) -> Iterator[Tensor]:
        """Those that Taylor's measure looks at."""
        for index, block in enumerate(self.blocks):
            names = (() if self.latent else _attention) + (_dense if self.dense(index) else ())
            yield from (block.get_submodule(name).weight for name in names)

    @torch.no_grad()
    def slopes(self) -> None:
        """Take in |w g| of every structure after a backward pass."""
        shape = self.shape
        for index, block in enumerate(self.blocks):
            if not self.latent:
                queries, keys, values, out = (_product(block, name) for name in _attention)
                self.heads[index] += queries.sum(1).view(shape.heads, -1).sum(1)
                self.heads[index] += out.sum(0).view(shape.heads, -1).sum(1)
                self.groups[index] += (keys.sum(1) + values.sum(1)).view(shape.groups, -1).sum(1)
            if self.dense(index):
                gate, up, down = (_product(block, name) for name in _dense)
                self.channels[index] += gate.sum(1) + up.sum(1) + down.sum(0)

    @torch.no_grad()
    def importances(self, by: Measure) -> Importances:
        """What was found."""
        heads, channels = (self.heads, self.channels) if by == "taylor" else self._sizes()
        served = heads.view(self.shape.layers, self.shape.groups, -1).sum(2)
        return Importances(
            layers=self.layers / max(1, self.positions),
            hidden=self.hidden,
            heads=heads,
            groups=self.groups + served,
            channels=channels,
            experts=self.experts,
        )

    def _sizes(self) -> tuple[Tensor, Tensor]:
        heads, channels = self.put_out["heads"].clone(), self.put_out["channels"].clone()
        for index, block in enumerate(self.blocks):
            if not self.latent:
                columns = block.get_submodule("self_attn.o_proj").weight.double().square().sum(0)
                heads[index] *= columns.view(self.shape.heads, -1).sum(1).sqrt()
            if self.dense(index):
                channels[index] *= block.get_submodule("mlp.down_proj").weight.double().norm(dim=0)
        return heads, channels


def _product(block: nn.Module, name: str) -> Tensor:
    weight = block.get_submodule(name).weight
    return (weight * weight.grad).abs().double()


def _real(batch: Batch) -> Tensor:
    """[rows, length], true where there is no padding."""
    return torch.arange(batch.ids.shape[1])[None] < torch.tensor(batch.lengths)[:, None]


@contextlib.contextmanager
def _grads(sums: _Sums, *, on: bool) -> Iterator[None]:
    before = [(weight, weight.requires_grad) for weight in sums.weights()] if on else []
    for weight, _ in before:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight, was in before:
            weight.requires_grad_(was)
            weight.grad = None


@contextlib.contextmanager
def _watched(sums: _Sums) -> Iterator[None]:
    """Inside the block, states and routings are taken in as they pass."""
    hooks = []
    for index, block in enumerate(sums.blocks):
        hooks.append(block.register_forward_hook(_layer(sums, index)))
        if not sums.latent:
            out = block.get_submodule("self_attn.o_proj")
            hooks.append(out.register_forward_pre_hook(_size(sums, index, what="heads")))
        if sums.dense(index):
            down = block.get_submodule("mlp.down_proj")
            hooks.append(down.register_forward_pre_hook(_size(sums, index, what="channels")))
        else:
            hooks.append(block.get_submodule("mlp.experts").register_forward_pre_hook(_routed(sums, index)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _layer(sums: _Sums, index: int) -> Callable[..., None]:
    @torch.no_grad()
    def take(*hooked: Any) -> None:
        inputs, output = hooked[1:]
        before = inputs[0].detach()[sums.real]
        after = (output if isinstance(output, Tensor) else output[0]).detach()[sums.real]
        sums.layers[index] += (1 - torch.cosine_similarity(before, after, dim=-1).double()).sum()
        sums.hidden.add_(before.abs().double().sum(0))
        sums.positions += len(before) if index == 0 else 0

    return take


def _size(sums: _Sums, index: int, *, what: Literal["heads", "channels"]) -> Callable[..., None]:
    @torch.no_grad()
    def take(_: nn.Module, inputs: Any) -> None:
        states = inputs[0].detach()[sums.real].double()
        if what == "heads":
            states = states.view(len(states), sums.shape.heads, -1).norm(dim=2)
        sums.put_out[what][index] += states.abs().sum(0)

    return take


def _routed(sums: _Sums, index: int) -> Callable[..., None]:
    @torch.no_grad()
    def take(_: nn.Module, inputs: Any) -> None:
        chosen, weights = inputs[1].detach(), inputs[2].detach().double()
        real = sums.real.flatten()
        sums.experts[index].index_add_(0, chosen[real].flatten(), weights[real].flatten())

    return take
