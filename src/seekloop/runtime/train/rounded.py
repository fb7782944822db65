"""Training for a storage format: layers that compute with rounded weights, and train those that are rounded.

The forward pass and the gradients of states take the weights as they will be stored; the gradient of a rounded weight
is given to the weight itself, as if rounding were not there (the straight-through estimator, Bengio et al. 2013). So
small changes add up in fp32 until a weight comes to lie nearer to another point of the grid. An adapter is folded into
its weight before that is rounded (`round(W + factor B A)`), which is what a compressed form holds.

A weight is rounded once after each change, not once for each use; rounded values are kept beside it, 4 bytes a weight.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.grids import Grid, Target, on_grid, read_target, width, write_target
from seekloop.runtime.linear import Linear, product
from seekloop.runtime.quantised import QuantisedLinear
from seekloop.runtime.train.methods.lora_layers import DoraLinear, LoraLinear, added
from seekloop.runtime.train.methods.method import Method, is_router
from seekloop.system.errors import ModelError

__all__ = [
    "Rounded",
    "RoundedEmbedding",
    "RoundedLinear",
    "RoundedLora",
    "Rounding",
    "head_weight",
    "put",
    "roundings",
    "settle",
]


@dataclass(frozen=True, kw_only=True)
class _Low:
    """An adapter's part of a weight."""

    a: Tensor
    b: Tensor
    factor: float


class Rounding:
    """One weight, and what it is on the grid.

    Args:
        weight: [out, in], fp32.
        target: the format.
        table: whether it is the embedding or the head.
        low: an adapter that is folded in first.
    """

    def __init__(self, weight: Tensor, target: Target, *, table: bool, low: _Low | None = None) -> None:
        self._weight, self._low = weight, low
        self._grid, self._group = target.grid(table=table), target.group
        self._lock = threading.Lock()
        self._mark: tuple[int, ...] | None = None
        self._values: Tensor | None = None

    def values(self) -> Tensor:
        """[out, in], as it is now; without a graph. Workers that ask at one time wait for the first."""
        with self._lock:
            mark = self._versions()
            if self._values is None or mark != self._mark:
                self._values, self._mark = self.once(out=self._values), mark
            return self._values

    @torch.no_grad()
    def once(self, *, out: Tensor | None = None) -> Tensor:
        """The same, kept nowhere but in `out`, where that is given."""
        whole = self._weight.detach()
        if self._low is not None:
            whole = added(self._low.a, self._low.b, factor=self._low.factor).add_(whole)
        return on_grid(whole, self._grid, group=self._group, out=out)

    def through(self) -> Tensor:
        """`values`, whose gradient is that of the weight."""
        values = self.values()
        if torch.is_grad_enabled() and self._weight.requires_grad:
            through: Tensor = _Through.apply(self._weight, values)
            return through
        return values

    def _versions(self) -> tuple[int, ...]:
        """torch counts how often a tensor was changed in place; the optimizer and a resumed run do nothing else."""
        parts = (self._weight,) if self._low is None else (self._weight, self._low.a, self._low.b)
        return tuple(part._version for part in parts)


class _Through(torch.autograd.Function):
    """Rounded values whose gradient goes to what was rounded."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, values: Tensor) -> Tensor:
        """Two of [out, in] -> the second."""
        ctx.shape = weight.shape
        return values.view(ctx.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """As it is."""
        return grad.view(ctx.shape), None


class RoundedLinear(Linear):
    """A linear layer that computes with its weight rounded. Parameters and their names are the plain layer's."""

    rounding: Rounding

    @classmethod
    def over(cls, layer: nn.Linear, rounding: Rounding) -> RoundedLinear:
        """One that shares the parameters of `layer`."""
        new = cls(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        new.weight, new.bias, new.rounding = layer.weight, layer.bias, rounding
        return new.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return self.times(x, self.rounding.through())


class RoundedEmbedding(nn.Embedding):
    """An embedding whose rows are rounded."""

    rounding: Rounding

    @classmethod
    def over(cls, layer: nn.Embedding, rounding: Rounding) -> RoundedEmbedding:
        """One that shares the parameters of `layer`."""
        new = cls(layer.num_embeddings, layer.embedding_dim, padding_idx=layer.padding_idx, device="meta")
        new.weight, new.rounding = layer.weight, rounding
        return new.train(layer.training)

    def forward(self, ids: Tensor) -> Tensor:
        """[...] -> [..., width]."""
        return nn.functional.embedding(ids, self.rounding.through(), self.padding_idx)


class RoundedLora(LoraLinear):
    """`y = x round(W + factor B A)' + b`, A and B being trained."""

    rounding: Rounding

    @classmethod
    def over(cls, layer: LoraLinear, target: Target) -> RoundedLora:
        """One that shares the parameters of `layer`."""
        new = cls(layer.frozen, rank=layer.lora_A.shape[0], factor=layer.factor)
        new.lora_A, new.lora_B = layer.lora_A, layer.lora_B
        low = _Low(a=new.lora_A, b=new.lora_B, factor=new.factor)
        new.rounding = Rounding(layer.frozen.weight, target, table=False, low=low)
        return new.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        values, bias = self.rounding.values(), self.frozen.bias
        if not torch.is_grad_enabled():
            return product(x, values, bias=bias)
        y: Tensor = _FoldedProduct.apply(x, values, bias, self.lora_A, self.lora_B, self.factor)
        return y


class _FoldedProduct(torch.autograd.Function):
    """The layer as one node. With G the gradient of the rounded weight, A's is `factor B'G` and B's `factor G A'`:
    both come from low-rank products, and G is never formed."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, values: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, factor: float
    ) -> Tensor:
        """[..., in] -> [..., out]."""
        ctx.save_for_backward(x, a, b)
        ctx.values, ctx.factor = values, factor
        return product(x, values, bias=bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        """Gradients of x, A and B."""
        x, a, b = ctx.saved_tensors
        rows, inputs = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        grad_low = product(rows, b.t()).mul_(ctx.factor)
        grad_b = (rows.t() @ product(inputs, a)).mul_(ctx.factor)
        grad_x = product(rows, ctx.values.t()).view(x.shape) if ctx.needs_input_grad[0] else None
        return grad_x, None, None, grad_low.t() @ inputs, grad_b, None


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """A method whose result is trained for a format: full tuning, the last layers, or LoRA."""

    inner: Method
    target: Target

    @property
    def form(self) -> Form:
        """The inner method's."""
        return self.inner.form

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Make the model trainable, and its weights rounded where they are used.

        Raises:
            ModelError: a layer cannot be rounded so.
        """
        self.inner.apply(model, seed=seed)
        put(model, self.target)

    def draws(self) -> bool:
        """As the inner method."""
        return self.inner.draws()

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write the weights that are rounded, not those that they are rounded to, and the note that says so: whoever
        trains on goes on where this run was, and whoever reads them otherwise rounds them."""
        count = self.inner.export(model, folder)
        write_target(folder, self.target)
        return count


def put(model: nn.Module, target: Target) -> None:
    """Let every matrix of `model` be rounded where it is used; routers stay as they are.

    Raises:
        ModelError: a layer is of a kind, or a width, that is not rounded.
    """
    known: dict[int, Rounding] = {}
    for name, layer, table in _places(model, target):
        parent, _, leaf = name.rpartition(".")
        if isinstance(layer, LoraLinear):
            new: nn.Module = RoundedLora.over(layer, target)
        else:
            rounding = known.setdefault(id(layer.weight), Rounding(layer.weight, target, table=table))
            kind = RoundedEmbedding if isinstance(layer, nn.Embedding) else RoundedLinear
            new = kind.over(layer, rounding)
        model.get_submodule(parent).register_module(leaf, new)


def settle(model: nn.Module, folder: Path) -> None:
    """Round a model that is only asked, where `folder` says what it was trained for; adapted layers become plain ones.

    Raises:
        ModelError: a layer is of a kind, or a width, that is not rounded.
    """
    target = read_target(folder)
    if target is None:
        return
    done: set[int] = set()
    for name, layer, table in _places(model, target):
        if isinstance(layer, LoraLinear):
            parent, _, leaf = name.rpartition(".")
            plain = Linear(layer.frozen.in_features, layer.frozen.out_features, bias=False, device="meta")
            plain.weight = nn.Parameter(RoundedLora.over(layer, target).rounding.once(), requires_grad=False)
            plain.bias = layer.frozen.bias
            model.get_submodule(parent).register_module(leaf, plain.train(layer.training))
        elif id(layer.weight) not in done:
            done.add(id(layer.weight))
            layer.weight.data = Rounding(layer.weight, target, table=table).once()


def head_weight(model: nn.Module) -> Tensor:
    """The output head's weight as it is computed with, [vocabulary, hidden]."""
    head = model.get_output_embeddings()
    return head.rounding.through() if isinstance(head, RoundedLinear) else head.weight


def roundings(model: nn.Module) -> Iterator[Rounding]:
    """Of each layer that has one."""
    for layer in model.modules():
        if isinstance(layer, RoundedLinear | RoundedEmbedding | RoundedLora):
            yield layer.rounding


def _places(model: nn.Module, target: Target) -> list[tuple[str, LoraLinear | nn.Linear | nn.Embedding, bool]]:
    """Name, layer, and whether it is the embedding or the head, of all layers that are rounded."""
    found: list[tuple[str, LoraLinear | nn.Linear | nn.Embedding, bool]] = []
    head = model.get_output_embeddings()
    fused = next((name for name, parameter in model.named_parameters() if parameter.dim() == 3), None)
    if fused is not None:  # a form would round each expert, and the forward pass here takes them in full
        raise ModelError("train.not_rounded", name=fused, kind="block of experts")
    for name, layer in model.named_modules():
        table = isinstance(layer, nn.Embedding) or layer is head
        if isinstance(layer, DoraLinear | QuantisedLinear) or (isinstance(layer, LoraLinear) and table):
            raise ModelError("train.not_rounded", name=name, kind=type(layer).__name__)
        if isinstance(layer, LoraLinear):
            columns = layer.frozen.in_features
        elif isinstance(layer, nn.Linear | nn.Embedding) and not name.endswith(".frozen"):
            columns = layer.weight.shape[1]
        else:
            continue
        if not is_router(f"{name}.weight"):
            _check_width(name, columns, grid=target.grid(table=table), group=target.group)
            found.append((name, layer, table))
    return found


def _check_width(name: str, columns: int, *, grid: Grid, group: int) -> None:
    block = width(grid, group=group, columns=columns)
    if columns % block:
        raise ModelError("train.block_width", name=name, width=columns, precision=grid, block=block)
