"""Frozen linear layers stored in 4 or 8 bits, unpacked for each product and never kept (QLoRA, Dettmers et al. 2023).

What such a layer computes is exactly the linear layer of its unpacked weight: outputs, and gradients of its inputs.
Which layers of a base were stored how is written beside the adapter that was trained on them, so that the same base
comes back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

import torch
from safetensors import safe_open
from torch import Tensor, nn

from seekloop.runtime.linear import Linear, product
from seekloop.system.errors import ModelError

__all__ = [
    "LEVELS",
    "Quantisation",
    "QuantisedLinear",
    "linear_layers",
    "quantise",
    "read_note",
    "rounded",
    "unpack",
    "write_note",
]

_note = "base_quantisation.json"
_block = 64
"""Weights that share one scale in NF4, in the order in which they are stored."""
_piece = 2**16
"""Weights that are packed at one time: small enough that what is needed in between leaves no holes in memory."""
_scales = 256
"""Scales that share one scale of theirs under double quantisation."""


def _normal_levels() -> tuple[float, ...]:
    """The 16 values of NF4: quantiles of the normal distribution, eight above zero, zero, and seven below.

    Dettmers et al. 2023, section 3; the outermost quantile is the paper's, half of 1 - 1/32 + 1 - 1/30.
    """
    outer, normal = 0.9677083, NormalDist()

    def side(count: int) -> list[float]:
        return [normal.inv_cdf(outer + (0.5 - outer) * index / count) for index in range(count)]

    above, below = side(8), side(7)
    return tuple([-value / above[0] for value in below] + [0.0] + [value / above[0] for value in reversed(above)])


LEVELS = _normal_levels()
"""The values of NF4, from -1 to 1."""


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """How the weights of a frozen base are stored."""

    format: Literal["nf4", "int8"] = "nf4"
    """`nf4`: 16 normal quantiles, a scale for 64 weights; `int8`: whole numbers to 127, a scale for a row."""
    double: bool = False
    """NF4 only: the scales in 8 bits too, relative to the mean of 256 of them."""


class QuantisedLinear(nn.Module):
    """A linear layer whose weight exists only while it is used.

    Args:
        layer: gives the bias, which stays as it is, and the weight, [out, in].
        how: the storage.
        weight: to take instead of the layer's.
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, layer: nn.Linear, how: Quantisation, *, weight: Tensor | None = None) -> None:
        super().__init__()
        self.in_features, self.out_features, self.how = layer.in_features, layer.out_features, how
        self.bias = layer.bias
        codes, scales = _pack((layer.weight if weight is None else weight).detach().float(), how)
        self.register_buffer("codes", codes)
        self.means = _Scales(scales) if how.double and how.format == "nf4" else None
        self.register_buffer("scales", scales if self.means is None else scales.new_empty(0))

    @property
    def weight(self) -> Tensor:
        """Unpacked, [out, in], fp32; a new tensor each time."""
        scales = self.scales if self.means is None else self.means.unpacked()
        if self.how.format == "int8":
            return self.codes.float().mul_(scales)
        pairs = _pairs().index_select(0, self.codes.int()).view(torch.float32)
        values = pairs.view(-1, _block).mul_(scales.unsqueeze(1)).view(-1)
        return values[: self.out_features * self.in_features].view(self.out_features, self.in_features)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if torch.is_grad_enabled():
            return _FrozenProduct.apply(x, self)
        return product(x, self.weight, bias=self.bias)

    def extra_repr(self) -> str:
        """Shape and storage, as torch prints a layer."""
        return f"in_features={self.in_features}, out_features={self.out_features}, {self.how.format}"


class _Scales(nn.Module):
    """Scales in 8 bits: `mean + step code`, with a mean and a step for 256 of them.

    The paper takes one mean for all and an 8-bit float; a whole number of its own range is at least as near.
    """

    codes: Tensor
    means: Tensor
    steps: Tensor

    def __init__(self, scales: Tensor) -> None:
        super().__init__()
        self.count = len(scales)
        grouped = _padded(scales, _scales).view(-1, _scales)
        means = grouped.mean(1, keepdim=True)
        steps = (grouped - means).abs().amax(1, keepdim=True) / 127
        codes = ((grouped - means) / steps.clamp_min(torch.finfo(torch.float32).tiny)).round_()
        self.register_buffer("codes", codes.to(torch.int8))
        self.register_buffer("means", means)
        self.register_buffer("steps", steps)

    def unpacked(self) -> Tensor:
        """The scales, one a block."""
        return self.codes.float().mul_(self.steps).add_(self.means).view(-1)[: self.count]


class _FrozenProduct(torch.autograd.Function):
    """`x W' + b` with the gradient of x only; W is unpacked again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: QuantisedLinear) -> Tensor:
        """[..., in] -> [..., out]."""
        ctx.layer = layer
        return product(x, layer.weight, bias=layer.bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None]:
        """Gradient of x."""
        return product(grad, ctx.layer.weight.t()) if ctx.needs_input_grad[0] else None, None


def linear_layers(model: nn.Module) -> tuple[str, ...]:
    """Names of the linear layers that a frozen base stores in fewer bits: all but the head, which is scored with."""
    head = model.get_output_embeddings()
    return tuple(
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer.weight is not head.weight
    )


def quantise(
    model: nn.Module, how: Quantisation, *, layers: tuple[str, ...] | None = None, file: Path | None = None
) -> None:
    """Store linear layers inside `model` as `how` says, one after the other.

    Args:
        model: a causal language model.
        how: the storage.
        layers: which; None: all but the head.
        file: safetensors to take the weights from: those that `model` has from there are then never read into memory.

    Raises:
        ModelError: the model has no linear layer of such a name.
    """
    known = linear_layers(model)
    for name in known if layers is None else layers:
        if name not in known:
            raise ModelError("train.adapter_of_another_base", layer=name, folder=_note)
        parent, _, leaf = name.rpartition(".")
        weight = None if file is None else _read(file, f"{name}.weight")
        layer = QuantisedLinear(model.get_submodule(name), how, weight=weight)
        model.get_submodule(parent).register_module(leaf, layer)


def _read(file: Path, key: str) -> Tensor | None:
    """One tensor; None where the file has another name for it. Opened each time, so that no more is mapped."""
    with safe_open(file, framework="pt") as tensors:
        return tensors.get_tensor(key) if key in tensors.keys() else None  # noqa: SIM118


def rounded(weight: Tensor, how: Quantisation) -> Tensor:
    """`weight` as it is once it was stored and unpacked: the same shape, fp32."""
    layer = Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return QuantisedLinear(layer, how).weight


def unpack(model: nn.Module) -> nn.Module:
    """`model`, every stored layer inside replaced by an fp32 layer of the same values: faster, and as large as ever."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, QuantisedLinear):
            plain = Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
            plain.weight, plain.bias = nn.Parameter(layer.weight, requires_grad=False), layer.bias
            parent, _, leaf = name.rpartition(".")
            model.get_submodule(parent).register_module(leaf, plain.train(layer.training))
    return model


def write_note(folder: Path, how: Quantisation, *, layers: tuple[str, ...]) -> None:
    """Write beside an adapter how the base that it was trained on was stored."""
    value = {"format": how.format, "double": how.double, "block": _block, "layers": sorted(layers)}
    (folder / _note).write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")


def read_note(folder: Path) -> tuple[Quantisation | None, tuple[str, ...]]:
    """How the base of the adapter in `folder` is stored, and which layers of it; None: in full.

    Raises:
        ModelError: it is stored in a way that is not known here.
    """
    path = folder / _note
    if not path.is_file():
        return None, ()
    value = json.loads(path.read_text("utf-8"))
    if value["format"] not in ("nf4", "int8") or value["block"] != _block:
        raise ModelError("train.base_storage", format=value["format"], where=path)
    return Quantisation(format=value["format"], double=value["double"]), tuple(value["layers"])


def _pack(weight: Tensor, how: Quantisation) -> tuple[Tensor, Tensor]:
    """Codes and scales: nearest value, the largest of each block or row exact."""
    tiny = torch.finfo(torch.float32).tiny
    if how.format == "int8":
        scales = weight.abs().amax(1, keepdim=True) / 127
        codes = torch.empty(weight.shape, dtype=torch.int8)
        rows = max(1, _piece // weight.shape[1])
        for part, scale, out in zip(weight.split(rows), scales.split(rows), codes.split(rows), strict=True):
            out.copy_((part / scale.clamp_min(tiny)).round_().clamp_(-127, 127))
        return codes, scales
    blocks = _padded(weight.reshape(-1), _block).view(-1, _block)
    codes, scales = torch.empty(blocks.numel() // 2, dtype=torch.uint8), torch.empty(len(blocks))
    levels = torch.tensor(LEVELS)
    middles, rows = (levels[1:] + levels[:-1]) / 2, _piece // _block
    for part, scale, out in zip(blocks.split(rows), scales.split(rows), codes.split(_piece // 2), strict=True):
        scale.copy_(part.abs().amax(1))
        nearest = torch.bucketize(part / scale.clamp_min(tiny).unsqueeze(1), middles, out_int32=True).view(-1)
        out.copy_(nearest[0::2] * 16 + nearest[1::2])
    return codes, scales


def _padded(values: Tensor, width: int) -> Tensor:
    """[n] -> [n rounded up to whole widths]; the last value is repeated, so that it changes no mean by much."""
    short = -len(values) % width
    return torch.cat([values, values[-1:].expand(short)]) if short else values


def _pairs() -> Tensor:
    """The two values that each byte stands for, as the 64 bits of both."""
    levels = torch.tensor(LEVELS)
    return torch.stack([levels.repeat_interleave(16), levels.repeat(16)], dim=1).view(torch.float64).view(-1)
