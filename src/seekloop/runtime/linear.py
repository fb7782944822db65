"""Matrix products on the CPU through oneDNN, which is at least as fast as torch's default there and often twice.

torch hands fp32 products to MKL, which on AMD processors keeps to AVX2; oneDNN, which torch ships too, uses all that
the processor has. The choice depends on shapes only, never on a measurement, so a run gives the same bits again.

A product with a bf16 weight is done in bf16 with sums in fp32, and gives fp32: everything around it stays as it was.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Linear", "product", "quicken"]

_onednn = torch.backends.mkldnn.is_available()
_worthwhile = 2**21
"""Multiplications from which on oneDNN's ten microseconds of preparation are paid back."""


def product(x: Tensor, weight: Tensor, *, bias: Tensor | None = None) -> Tensor:
    """`x @ weight.T + bias`, outside autograd.

    Args:
        x: [..., in], fp32.
        weight: [out, in], fp32, or bf16 for a product in bf16; may be a transposed view.
        bias: [out], fp32.

    Returns:
        [..., out].
    """
    if weight.dtype is torch.bfloat16 and x.dtype is torch.float32:
        y = nn.functional.linear(x.to(torch.bfloat16), weight).float()
        return y if bias is None else y.add_(bias)
    if _onednn and x.dtype is torch.float32 and x.device.type == "cpu" and x.numel() * weight.shape[0] >= _worthwhile:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return nn.functional.linear(x, weight, bias)


class _Product(torch.autograd.Function):
    """`product` with gradients for whichever of its arguments want them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, half: bool) -> Tensor:
        """[..., in] -> [..., out]; `half`: in bf16, whatever the weight is kept in."""
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        ctx.half = half
        return product(x, _as(weight, half=half), bias=bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """Gradients of x, weight and bias, in fp32."""
        x, weight = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        wants_x, wants_weight, wants_bias, _ = ctx.needs_input_grad
        return (
            product(grad, _as(weight, half=ctx.half).t()) if wants_x else None,
            product(rows.t(), _as(x.reshape(-1, x.shape[-1]), half=ctx.half).t()) if wants_weight else None,
            rows.sum(0) if wants_bias else None,
            None,
        )


def _as(weight: Tensor, *, half: bool) -> Tensor:
    return weight.to(torch.bfloat16) if half else weight


class Linear(nn.Linear):
    """torch's linear layer, its products done by `product`. Parameters and their names are the same."""

    half: bool = False
    """Whether products are done in bf16 though the weight is kept in fp32."""

    @classmethod
    def like(cls, layer: nn.Linear) -> Linear:
        """A layer that shares the parameters of `layer`."""
        new = cls(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        new.weight, new.bias = layer.weight, layer.bias
        return new.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return self.times(x, self.weight)

    def times(self, x: Tensor, weight: Tensor) -> Tensor:
        """The same with another weight, [out, in]."""
        if torch.is_grad_enabled():
            y: Tensor = _Product.apply(x, weight, self.bias, self.half)
            return y
        return product(x, _as(weight, half=self.half), bias=self.bias)


def quicken(model: nn.Module) -> None:
    """Replace every plain linear layer inside `model` by a `Linear` that shares its parameters."""
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear:
            parent, _, leaf = name.rpartition(".")
            model.get_submodule(parent).register_module(leaf, Linear.like(layer))
