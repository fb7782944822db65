"""Adapter layers: a small two-layer network behind the sublayers of a frozen model (Houlsby et al. 2019).

Nobody has a common format for them, so the folder is ours: `adapter_config.json` of kind SEEKLOOP_BOTTLENECK, and
safetensors whose names are those of the wrapped sublayers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.linear import Linear
from seekloop.runtime.train.methods.lora_config import HEAD
from seekloop.runtime.train.methods.method import freeze
from seekloop.system import seeds
from seekloop.system.errors import ModelError

__all__ = [
    "KIND",
    "Activation",
    "Adapted",
    "Bottleneck",
    "BottleneckConfig",
    "Placement",
    "open_adapter",
    "read_config",
]

Placement = Literal["houlsby", "pfeiffer"]
Activation = Literal["gelu", "relu", "silu"]
_config_file, _weights_file = "adapter_config.json", "adapter_model.safetensors"
KIND = "SEEKLOOP_BOTTLENECK"
"""What `adapter_config.json` says they are."""
_sublayers: dict[Placement, tuple[str, ...]] = {"houlsby": ("self_attn", "mlp"), "pfeiffer": ("mlp",)}
_functions = {"gelu": nn.functional.gelu, "relu": nn.functional.relu, "silu": nn.functional.silu}
_spread = 1e-2
"""Standard deviation of the first weights, as in the paper."""


@dataclass(frozen=True, kw_only=True)
class BottleneckConfig:
    """What changes results."""

    width: int
    """Of the bottleneck."""
    placement: Placement = "houlsby"
    """`houlsby`: behind attention and behind the MLP of each layer; `pfeiffer`: behind the MLP (Pfeiffer 2021)."""
    activation: Activation = "gelu"


class Adapted(nn.Module):
    """`y + W2 f(W1 y + b1) + b2` for the output y of a frozen sublayer, before it joins the residual stream."""

    def __init__(self, sublayer: nn.Module, *, hidden: int, config: BottleneckConfig) -> None:
        super().__init__()
        self.frozen = sublayer
        self.down = Linear(hidden, config.width)
        self.up = Linear(config.width, hidden)
        self._function = _functions[config.activation]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the sublayer; where that gives several things, the first is adapted."""
        result = self.frozen(*args, **kwargs)
        if isinstance(result, tuple):
            return self._adapt(result[0]), *result[1:]
        return self._adapt(result)

    def _adapt(self, y: Tensor) -> Tensor:
        return y + self.up(self._function(self.down(y)))


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """The method. A model that carries adapter layers already goes on with them."""

    config: BottleneckConfig
    base: str = ""
    """Id of the base checkpoint, for `adapter_config.json`."""
    form: Form = "adapter"

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Wrap the sublayers. W1 begins small and random, W2 at zero, so nothing changes before the first step.

        Raises:
            ModelError: the model's layers have no sublayers of these names.
        """
        freeze(model)
        if not _carried(model):
            _wrap(model, self.config)
            for name, part in _carried(model).items():
                generator = torch.Generator().manual_seed(seeds.derive(seed, "train", "bottleneck", name))
                with torch.no_grad():
                    part.down.weight.normal_(std=_spread, generator=generator)
                    for value in (part.down.bias, part.up.weight, part.up.bias):
                        value.zero_()
        for part in _carried(model).values():
            for value in (*part.down.parameters(), *part.up.parameters()):
                value.requires_grad_(True)

    def draws(self) -> bool:
        """Never."""
        return False

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write `adapter_config.json` and the weights; returns how many they are."""
        weights = {key: value.detach().contiguous() for key, value in _parameters(model).items()}
        save_file(weights, folder / _weights_file, metadata={"format": "pt"})
        config = {
            "peft_type": KIND,
            "base_model_name_or_path": self.base,
            "width": self.config.width,
            "placement": self.config.placement,
            "activation": self.config.activation,
        }
        (folder / _config_file).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
        return sum(value.numel() for value in weights.values())


def read_config(folder: Path) -> BottleneckConfig:
    """The configuration of the adapter layers in `folder`."""
    value = json.loads((folder / _config_file).read_text("utf-8"))
    return BottleneckConfig(width=value["width"], placement=value["placement"], activation=value["activation"])


def open_adapter(model: nn.Module, folder: Path) -> None:
    """Put the adapter layers in `folder` on `model`, which is their base.

    Raises:
        ModelError: they are another model's.
    """
    weights = {key: value for key, value in load_file(folder / _weights_file).items() if key != HEAD}
    _wrap(model, read_config(folder))
    parameters = _parameters(model)
    for key in sorted(parameters.keys() | weights.keys()):
        if key not in weights or key not in parameters or weights[key].shape != parameters[key].shape:
            raise ModelError("train.adapter_of_another_base", layer=key, folder=folder)
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(weights[key])


def _wrap(model: nn.Module, config: BottleneckConfig) -> None:
    wanted = _sublayers[config.placement]
    decoder = model.get_decoder()
    hidden = model.get_input_embeddings().weight.shape[1]
    for layer in decoder.layers:
        parts = dict(layer.named_children())
        if not parts.keys() >= set(wanted):
            raise ModelError("train.no_target", targets=", ".join(wanted), known=", ".join(sorted(parts)))
        for name in wanted:
            layer.register_module(name, Adapted(parts[name], hidden=hidden, config=config))


def _carried(model: nn.Module) -> dict[str, Adapted]:
    return {name: part for name, part in model.named_modules() if isinstance(part, Adapted)}


def _parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The adapter layers' own, under the names of the sublayers that they stand behind."""
    return {
        f"{name.replace('.frozen', '')}.{part}.{kind}": value
        for name, adapted in _carried(model).items()
        for part in ("down", "up")
        for kind, value in adapted.get_submodule(part).named_parameters()
    }
