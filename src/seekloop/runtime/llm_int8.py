"""The layout of bitsandbytes' LLM.int8() (Dettmers et al. 2022), read and computed without bitsandbytes.

A linear layer has int8 codes and for each row its largest magnitude, 127 steps from zero. Inputs are rounded to int8
token by token, but for those of large magnitude, which are multiplied as they are. transformers loads the folder with
bitsandbytes; there a column that is large for one token of a batch is left in full for all of them, here for each
token by itself, so that what stands beside a row can change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from seekloop.runtime.linear import Linear
from seekloop.runtime.weights import built
from seekloop.system.errors import ModelError

__all__ = ["LlmInt8Linear", "int8_config", "int8_tensors", "open_int8", "read_int8", "round_inputs"]

_steps = 127
_row_major = 0
"""What `weight_format` says: rows lie as they are."""


class LlmInt8Linear(Linear):
    """A linear layer whose inputs are rounded to int8 token by token, but for the large ones."""

    threshold: float

    @classmethod
    def over(cls, layer: nn.Linear, *, threshold: float) -> LlmInt8Linear:
        """One that shares the parameters of `layer`."""
        new = cls(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        new.weight, new.bias, new.threshold = layer.weight, layer.bias, threshold
        return new.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return super().forward(round_inputs(x, threshold=self.threshold))


def round_inputs(x: Tensor, *, threshold: float) -> Tensor:
    """Activations [..., width] on 127 steps to a token's largest magnitude, those from `threshold` on left out of it.

    Args:
        x: of a layer's input.
        threshold: magnitude from which on a number stays as it is; 0: none does.
    """
    large = x.abs() >= threshold if threshold > 0 else torch.zeros_like(x, dtype=torch.bool)
    rest = x.masked_fill(large, 0.0)
    steps = rest.abs().amax(-1, keepdim=True) / _steps
    steps = torch.where(steps == 0, 1.0, steps)
    return torch.where(large, x, (rest / steps).round_().mul_(steps))


def int8_config(*, threshold: float, ignore: Iterable[str]) -> dict[str, Any]:
    """`quantization_config` as transformers writes it for such a model.

    Args:
        threshold: as for `round_inputs`.
        ignore: names of linear layers that are in full.
    """
    return {
        "quant_method": "bitsandbytes",
        "load_in_8bit": True,
        "load_in_4bit": False,
        "llm_int8_threshold": threshold,
        "llm_int8_skip_modules": sorted(ignore),
        "llm_int8_enable_fp32_cpu_offload": False,
        "llm_int8_has_fp16_weight": False,
    }


def int8_tensors(name: str, weight: Tensor) -> dict[str, Tensor]:
    """The tensors of one linear layer, by their names in the file.

    Args:
        name: of the layer.
        weight: [rows, columns], fp32.
    """
    largest = weight.abs().amax(1)
    steps = torch.where(largest == 0, 1.0, largest / _steps)
    return {
        f"{name}.weight": (weight / steps.unsqueeze(1)).round_().to(torch.int8),
        f"{name}.SCB": largest,
        f"{name}.weight_format": torch.tensor(_row_major, dtype=torch.uint8),
    }


def read_int8(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and value, [out, in] in fp32, of each layer in int8, one after the other."""
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        for key in sorted(name for name in set(file.keys()) if name.endswith(".SCB")):
            name = key.removesuffix(".SCB")
            codes, largest = file.get_tensor(f"{name}.weight"), file.get_tensor(key)
            yield name, codes.float() * (largest.float() / _steps).unsqueeze(1)


def open_int8(folder: Path) -> nn.Module:
    """The model in `folder`, its layers with the values that the file stands for, inputs rounded, in eval mode.

    Raises:
        ModelError: it is in another layout, or transformers cannot build it.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    told = config.pop("quantization_config", {})
    if told.get("quant_method") != "bitsandbytes" or not told.get("load_in_8bit"):
        raise ModelError("train.packed_layout", format=str(told.get("quant_method", "none")), folder=folder)
    weights = {f"{name}.weight": value for name, value in read_int8(folder)}
    layers = {name.removesuffix(".weight") for name in weights}
    weights |= dict(_others(folder, layers))
    model = built(config, weights, folder=folder)
    for name, layer in list(model.named_modules()):
        if name in layers and isinstance(layer, nn.Linear):
            parent, _, leaf = name.rpartition(".")
            new = LlmInt8Linear.over(layer, threshold=float(told["llm_int8_threshold"]))
            model.get_submodule(parent).register_module(leaf, new)
    return model


def _others(folder: Path, layers: set[str]) -> Iterator[tuple[str, Tensor]]:
    """Tensors that belong to no layer in int8, and the biases of those that do."""
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        for name in sorted(file.keys()):
            layer, _, part = name.rpartition(".")
            if layer not in layers or part == "bias":
                yield name, file.get_tensor(name).float()
