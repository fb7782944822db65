"""The compressed-tensors layout: linear layers as whole numbers with scales, and `config.json` saying how.

`pack-quantized` holds codes of 4 or 8 bits, eight or four in an int32 along a row; `int-quantized` holds int8 codes
for layers whose inputs are rounded to int8 too, token by token. vLLM and transformers load both. Here the layers get
the values that the file stands for, and inputs are rounded as the file says, so what is measured is what the form is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from seekloop.runtime.integers import IntegerLinear, integers_are_exact
from seekloop.runtime.linear import Linear, product
from seekloop.runtime.rounding import Grid, Steps, fake_tokens, values_of
from seekloop.runtime.weights import built
from seekloop.system.errors import ModelError

__all__ = ["RoundedInputs", "layer_tensors", "open_packed", "pack", "quantisation_config", "read_layers", "unpack"]

_bits = {"pack-quantized": (4, 8), "int-quantized": (8,)}


def quantisation_config(grid: Grid, *, ignore: Iterable[str], inputs: bool) -> dict[str, Any]:
    """`quantization_config` of a model whose linear layers are on `grid`.

    Args:
        grid: of the weights; 4 or 8 bits.
        ignore: names of linear layers and routers that are not.
        inputs: whether inputs are rounded to int8, token by token.
    """
    weights = _arguments(bits=grid.bits, symmetric=grid.symmetric, dynamic=False)
    weights |= {"strategy": "group" if grid.group else "channel", "group_size": grid.group}
    activations = _arguments(bits=8, symmetric=True, dynamic=True) | {"strategy": "token", "group_size": None}
    layout = "int-quantized" if inputs else "pack-quantized"
    scheme = {
        "targets": ["Linear"],
        "weights": weights,
        "input_activations": activations if inputs else None,
        "output_activations": None,
        "format": layout,
    }
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "quantization_status": "compressed",
        "config_groups": {"group_0": scheme},
        "ignore": sorted(ignore),
        "kv_cache_scheme": None,
        "global_compression_ratio": None,
    }


def _arguments(*, bits: int, symmetric: bool, dynamic: bool) -> dict[str, Any]:
    return {"num_bits": bits, "type": "int", "symmetric": symmetric, "dynamic": dynamic, "observer": "minmax"}


def layer_tensors(
    name: str, codes: Tensor, *, steps: Steps, grid: Grid, stored: torch.dtype, inputs: bool
) -> dict[str, Tensor]:
    """The tensors of one linear layer, by their names in the file.

    Args:
        name: of the layer.
        codes: [rows, columns], int8.
        steps: of the codes.
        grid: that they are on.
        stored: type of the scales.
        inputs: whether inputs are rounded too, as for `quantisation_config`.
    """
    scales = steps.scales.to(stored).contiguous()
    if inputs:
        return {f"{name}.weight": codes.contiguous(), f"{name}.weight_scale": scales}
    tensors = {
        f"{name}.weight_packed": pack(codes, bits=grid.bits),
        f"{name}.weight_scale": scales,
        f"{name}.weight_shape": torch.tensor(codes.shape, dtype=torch.int64),
    }
    if steps.zeros is not None:
        zeros = pack(steps.zeros.to(torch.int8).t(), bits=grid.bits)
        tensors[f"{name}.weight_zero_point"] = zeros.t().contiguous()
    return tensors


def pack(codes: Tensor, *, bits: int) -> Tensor:
    """Codes of 4 bits (-8 to 7) or 8 (-128 to 127), [rows, columns], as int32; the first is a word's lowest bits.

    Returns:
        [rows, columns times bits by 32, rounded up].
    """
    short = -codes.shape[1] % (32 // bits)
    whole = nn.functional.pad((codes.to(torch.int16) + 2 ** (bits - 1)).to(torch.uint8), (0, short))
    if bits == 4:
        whole = whole[:, 0::2] | whole[:, 1::2] << 4
    return whole.contiguous().view(torch.int32)


def unpack(packed: Tensor, columns: int, *, bits: int) -> Tensor:
    """The codes again, [rows, columns], int8."""
    whole = packed.contiguous().view(torch.uint8)
    if bits == 4:
        whole = torch.stack([whole & 15, whole >> 4], dim=2).flatten(1)
    return (whole[:, :columns].to(torch.int16) - 2 ** (bits - 1)).to(torch.int8)


class RoundedInputs(Linear):
    """A linear layer that rounds its inputs to int8, token by token, as an int8 product of a GPU does."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return super().forward(fake_tokens(x))


class _RoundedExperts(nn.Module):
    """Experts of which each product has rounded inputs; computed one expert after the other."""

    def __init__(self, experts: nn.Module) -> None:
        super().__init__()
        self.gate_up_proj, self.down_proj, self.act_fn = experts.gate_up_proj, experts.down_proj, experts.act_fn

    def forward(self, hidden: Tensor, *routed: Tensor) -> Tensor:
        """[tokens, hidden], and for each token the experts and what they weigh -> [tokens, hidden]."""
        (chosen, weights), total, rounded = routed, torch.zeros_like(hidden), fake_tokens(hidden)
        for expert in chosen.unique().tolist():
            token, place = torch.where(chosen == expert)
            gate, up = product(rounded[token], self.gate_up_proj[expert]).chunk(2, dim=-1)
            out = product(fake_tokens(self.act_fn(gate) * up), self.down_proj[expert])
            total.index_add_(0, token, out * weights[token, place, None])
        return total


def open_packed(folder: Path) -> nn.Module:
    """The model in `folder`, its linear layers in fp32 with the values that the file stands for, in eval mode.

    Raises:
        ModelError: it is in a layout that is not read here, or transformers cannot build it.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    inputs = _rounds_inputs(config.pop("quantization_config", {}), where=folder)
    layers, weights = set(), {}
    for name, value in read_layers(folder):
        layers.add(name)
        weights[f"{name}.weight"] = value
    for name, value in _others(folder, layers):
        weights[name] = value.float()
    model = built(config, weights, folder=folder)
    if inputs:
        _round_inputs(model, layers, folder=folder)
    return model


def read_layers(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and value, [out, in] in fp32, of each layer in whole numbers, one after the other."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (scheme,) = config["quantization_config"]["config_groups"].values()
    bits = scheme["weights"]["num_bits"]
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        names = set(file.keys())
        for key in sorted(name for name in names if name.endswith(".weight_scale")):
            name = key.removesuffix(".weight_scale")
            scales, zeros = file.get_tensor(key).float(), None
            if f"{name}.weight_packed" in names:
                rows, columns = file.get_tensor(f"{name}.weight_shape").tolist()
                codes = unpack(file.get_tensor(f"{name}.weight_packed"), columns, bits=bits)
                if f"{name}.weight_zero_point" in names:
                    packed = file.get_tensor(f"{name}.weight_zero_point")
                    zeros = unpack(packed.t(), rows, bits=bits).t().float()
            else:
                codes = file.get_tensor(f"{name}.weight")
            yield name, values_of(codes, Steps(scales=scales, zeros=zeros))


def _others(folder: Path, layers: set[str]) -> Iterator[tuple[str, Tensor]]:
    """Tensors that belong to no layer in whole numbers, and the biases of those that do."""
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        for name in sorted(file.keys()):
            layer, _, part = name.rpartition(".")
            if layer not in layers or part == "bias":
                yield name, file.get_tensor(name)


def _rounds_inputs(value: Mapping[str, Any], *, where: Path) -> bool:
    """Whether inputs are rounded to int8, token by token.

    Raises:
        ModelError: the layout is none of the two that are read here.
    """
    groups = list(value.get("config_groups", {}).values())
    scheme = groups[0] if len(groups) == 1 else {}
    weights, inputs = scheme.get("weights") or {}, scheme.get("input_activations")
    found = str(value.get("format", value.get("quant_method", "none")))
    whole = weights.get("type") == "int" and weights.get("strategy") in ("group", "channel")
    dynamic = inputs is None or (inputs["dynamic"] is True and inputs["strategy"] == "token" and inputs["symmetric"])
    if not whole or not dynamic or weights.get("num_bits") not in _bits.get(found, ()):
        raise ModelError("train.packed_layout", format=found, folder=where)
    return inputs is not None


def _round_inputs(model: nn.Module, layers: set[str], *, folder: Path) -> None:
    """Exchange the layers for such as round their inputs; in whole numbers where this machine is exact in them."""
    exact = integers_are_exact()
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        for name, layer in list(model.named_modules()):
            parent, _, leaf = name.rpartition(".")
            if isinstance(layer, nn.Linear) and name in layers:
                codes, scales = file.get_tensor(f"{name}.weight"), file.get_tensor(f"{name}.weight_scale")
                new = IntegerLinear(codes, scales, layer.bias) if exact else RoundedInputs.like(layer)
                model.get_submodule(parent).register_module(leaf, new)
            elif any(inner.startswith(f"{name}.0.") for inner in layers) and leaf == "experts":
                model.get_submodule(parent).register_module(leaf, _RoundedExperts(layer))
