"""Linear layers with a trained low-rank addition, each as one node of the graph: LoRA, and DoRA on top of it."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from seekloop.runtime.linear import product
from seekloop.runtime.quantised import QuantisedLinear

__all__ = ["DoraLinear", "Frozen", "LoraLinear", "added"]

Frozen: TypeAlias = nn.Linear | QuantisedLinear
"""What may be adapted: its `weight` is there whenever it is asked for."""


def added(a: Tensor, b: Tensor, *, factor: float) -> Tensor:
    """`factor B A`, what a low-rank adapter adds to a weight, [out, in], fp32.

    Summed in fp64 and rounded once: whoever sums in which order, on however many threads, gets the same fp32 numbers,
    but for one in a thousand million. Who rounds the sum to a grid after that gets the values that were trained.

    Args:
        a: [rank, in].
        b: [out, rank].
        factor: the adapter's strength.
    """
    return (b.double() @ a.double()).mul_(factor).float()


class LoraLinear(nn.Module):
    """`y = x W' + b + factor (x A') B'`, with W and b frozen.

    Args:
        layer: the layer to adapt; its parameters are shared.
        rank: columns of the low-rank product.
        factor: what the product is multiplied by.
        dropout: share of the adapter's inputs that is dropped while training.
    """

    start: tuple[Tensor, Tensor] | None = None
    """A and B at the beginning where the frozen weight has their product taken out (PiSSA); None: nothing was."""

    def __init__(self, layer: Frozen, *, rank: int, factor: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.frozen = layer
        self.factor = factor
        self.dropout = dropout
        self.lora_A = nn.Parameter(torch.zeros(rank, layer.in_features))
        self.lora_B = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if self.training and self.dropout:
            kept = nn.functional.dropout(x, self.dropout)
            low = nn.functional.linear(kept, self.lora_A)
            return self.frozen(x) + nn.functional.linear(low, self.lora_B) * self.factor
        return _AdaptedProduct.apply(x, self.frozen, self.lora_A, self.lora_B, self.factor)


class _AdaptedProduct(torch.autograd.Function):
    """The layer as one node of the graph: no gradient of W, and no intermediate of the output's size is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, frozen: Frozen, a: Tensor, b: Tensor, factor: float) -> Tensor:
        """[..., in] -> [..., out]."""
        low = product(x, a)
        y = product(x, frozen.weight, bias=frozen.bias)
        y.view(-1, y.shape[-1]).addmm_(low.view(-1, low.shape[-1]), b.t(), alpha=factor)
        ctx.save_for_backward(x, low, a, b)
        ctx.frozen, ctx.factor = frozen, factor
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, None]:
        """Gradients of x, A and B."""
        x, low, a, b = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        return _gradients(ctx, rows, x=x, low=low, a=a, b=b)


class DoraLinear(LoraLinear):
    """`y = m / |W + factor B A| * x (W + factor B A)' + b`: a length of its own for each output (Liu et al. 2024).

    As in section 4.3 of the paper, and in PEFT, the norms count as constants in the backward pass.

    Args:
        layer: the layer to adapt; its parameters are shared.
        rank: columns of the low-rank product.
        factor: what the product is multiplied by.
        dropout: share of the adapter's inputs that is dropped while training.
    """

    def __init__(self, layer: Frozen, *, rank: int, factor: float, dropout: float = 0.0) -> None:
        super().__init__(layer, rank=rank, factor=factor, dropout=dropout)
        self.lora_magnitude_vector = nn.Parameter(torch.zeros(layer.out_features))
        self.begin()

    @torch.no_grad()
    def begin(self) -> None:
        """Set every length to that of its output: nothing changes by that."""
        self.lora_magnitude_vector.copy_(self.norms())

    @torch.no_grad()
    def norms(self) -> Tensor:
        """`|W + factor B A|` of each output, [out]."""
        return _norms(self.frozen.weight, a=self.lora_A, b=self.lora_B, factor=self.factor)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if self.training and self.dropout:
            return self._with_dropout(x, self.lora_magnitude_vector / self.norms())
        return _ScaledProduct.apply(x, self.frozen, self.lora_A, self.lora_B, self.lora_magnitude_vector, self.factor)

    def _with_dropout(self, x: Tensor, scale: Tensor) -> Tensor:
        """As PEFT: the base sees all inputs, whatever the adapter changes sees those that are kept."""
        kept = nn.functional.dropout(x, self.dropout)
        plain = self.frozen(kept)
        plain = plain if self.frozen.bias is None else plain - self.frozen.bias
        low = nn.functional.linear(nn.functional.linear(kept, self.lora_A), self.lora_B)
        return self.frozen(x) + (scale - 1) * plain + scale * self.factor * low


class _ScaledProduct(torch.autograd.Function):
    """DoRA's layer as one node: beside LoRA's inputs, the product before it is scaled is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, frozen: Frozen, a: Tensor, b: Tensor, lengths: Tensor, factor: float) -> Tensor:
        """[..., in] -> [..., out]."""
        weight = frozen.weight
        norms = _norms(weight, a=a, b=b, factor=factor)
        low = product(x, a)
        plain = product(x, weight)
        plain.view(-1, plain.shape[-1]).addmm_(low.view(-1, low.shape[-1]), b.t(), alpha=factor)
        scale = lengths / norms
        ctx.save_for_backward(x, low, plain, a, b, scale, norms)
        ctx.frozen, ctx.factor = frozen, factor
        return plain * scale if frozen.bias is None else torch.addcmul(frozen.bias, plain, scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor, Tensor, Tensor, None]:
        """Gradients of x, A, B and the lengths."""
        x, low, plain, a, b, scale, norms = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        grad_lengths = (rows * plain.view(rows.shape)).sum(0) / norms
        grad_x, _, grad_a, grad_b, _ = _gradients(ctx, rows * scale, x=x, low=low, a=a, b=b)
        return grad_x, None, grad_a, grad_b, grad_lengths, None


def _gradients(
    ctx: Any, rows: Tensor, *, x: Tensor, low: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor | None, None, Tensor, Tensor, None]:
    """Of `x W' + factor (x A') B'` for x, A and B, given its own, [tokens, out]."""
    grad_low = product(rows, b.t()).mul_(ctx.factor)
    grad_a = grad_low.t() @ x.reshape(-1, x.shape[-1])
    grad_b = (rows.t() @ low.view(-1, low.shape[-1])).mul_(ctx.factor)
    grad_x = None
    if ctx.needs_input_grad[0]:
        grad_x = product(rows, ctx.frozen.weight.t()).addmm_(grad_low, a).view(x.shape)
    return grad_x, None, grad_a, grad_b, None


def _norms(weight: Tensor, *, a: Tensor, b: Tensor, factor: float) -> Tensor:
    """Of the rows of `W + factor B A`. The sum is formed: from its parts, an output that the adapter nearly cancels
    would lose its digits.
    """
    return torch.addmm(weight, b, a, alpha=factor).norm(dim=1)
