"""LoRA: frozen linear layers with a trained low-rank addition (Hu et al. 2021), read and written in PEFT's format."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.linear import product
from seekloop.runtime.train.methods.method import freeze
from seekloop.system import seeds
from seekloop.system.errors import ModelError

__all__ = ["Lora", "LoraConfig", "LoraLinear", "open_adapter", "read_config"]

Scaling = Literal["standard", "rank_stabilised"]
_prefix = "base_model.model."
_config_file, _weights_file = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """What `adapter_config.json` says, as far as it changes results."""

    rank: int
    alpha: float
    targets: tuple[str, ...]
    """Last parts of the names of the layers that are adapted."""
    scaling: Scaling = "standard"
    """`standard`: alpha / rank; `rank_stabilised`: alpha / sqrt(rank) (Kalajdzievski 2023)."""

    @property
    def factor(self) -> float:
        """What the low-rank product is multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.scaling == "rank_stabilised" else self.rank)


class LoraLinear(nn.Module):
    """`y = x W' + b + factor (x A') B'`, with W and b frozen.

    Args:
        layer: the layer to adapt; its parameters are shared.
        rank: columns of the low-rank product.
        factor: what the product is multiplied by.
        dropout: share of the adapter's inputs that is dropped while training.
    """

    def __init__(self, layer: nn.Linear, *, rank: int, factor: float, dropout: float = 0.0) -> None:
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
        return _AdaptedProduct.apply(x, self.frozen.weight, self.frozen.bias, self.lora_A, self.lora_B, self.factor)


class _AdaptedProduct(torch.autograd.Function):
    """The layer as one node of the graph: no gradient of W, and no intermediate of the output's size is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, factor: float) -> Tensor:
        """[..., in] -> [..., out]."""
        low = product(x, a)
        y = product(x, w, bias=bias)
        y.view(-1, y.shape[-1]).addmm_(low.view(-1, low.shape[-1]), b.t(), alpha=factor)
        ctx.save_for_backward(x, low, w, a, b)
        ctx.factor = factor
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        """Gradients of x, A and B."""
        x, low, w, a, b = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        grad_low = product(rows, b.t()).mul_(ctx.factor)
        grad_a = grad_low.t() @ x.reshape(-1, x.shape[-1])
        grad_b = (rows.t() @ low.view(-1, low.shape[-1])).mul_(ctx.factor)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = product(rows, w.t()).addmm_(grad_low, a).view(x.shape)
        return grad_x, None, None, grad_a, grad_b, None


@dataclass(frozen=True, kw_only=True)
class Lora:
    """The method: freezes the model and adapts the layers called `config.targets`.

    A model that carries an adapter of this configuration already goes on with it.
    """

    config: LoraConfig
    dropout: float = 0.0
    base: str = ""
    """Id of the base checkpoint, for `adapter_config.json`."""
    form: Form = "adapter"

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Inject the layers. A begins uniform as in PEFT, B at zero, so nothing changes before the first step.

        Raises:
            ModelError: the model has no layer of those names.
        """
        freeze(model)
        carried = _layers(model)
        if not carried:
            _inject(model, _layers_called(model, self.config.targets), config=self.config)
            carried = _layers(model)
            for name, layer in carried.items():
                generator = torch.Generator().manual_seed(seeds.derive(seed, "train", "lora", name))
                nn.init.kaiming_uniform_(layer.lora_A, a=math.sqrt(5), generator=generator)
        for layer in carried.values():
            layer.dropout = self.dropout
            layer.lora_A.requires_grad_(True)
            layer.lora_B.requires_grad_(True)
            layer.train()

    def draws(self) -> bool:
        """Only for dropout."""
        return self.dropout > 0.0

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write PEFT's two files; returns how many weights they hold."""
        weights: dict[str, Tensor] = {}
        for name, layer in _layers(model).items():
            for parameter, key in zip((layer.lora_A, layer.lora_B), _keys(name), strict=True):
                weights[key] = parameter.detach().contiguous()
        save_file(weights, folder / _weights_file, metadata={"format": "pt"})
        text = json.dumps(_peft_config(self.config, dropout=self.dropout, base=self.base), indent=2, sort_keys=True)
        (folder / _config_file).write_text(text + "\n", "utf-8")
        return sum(value.numel() for value in weights.values())


def read_config(folder: Path) -> LoraConfig:
    """The configuration of an adapter in PEFT's format.

    Raises:
        ModelError: there is none, or it uses something beyond plain LoRA.
    """
    path = folder / _config_file
    if not path.is_file():
        raise ModelError("train.no_adapter", folder=folder)
    value = json.loads(path.read_text("utf-8"))
    beyond = [key for key in value if key not in _understood and value[key] not in _plain.get(key, _off)]
    if beyond:
        raise ModelError("train.adapter_unsupported", keys=", ".join(beyond), where=path)
    targets = value.get("target_modules") or ()
    return LoraConfig(
        rank=int(value["r"]),
        alpha=float(value["lora_alpha"]),
        targets=(targets,) if isinstance(targets, str) else tuple(sorted(targets)),
        scaling="rank_stabilised" if value.get("use_rslora") else "standard",
    )


def open_adapter(model: nn.Module, folder: Path) -> LoraConfig:
    """Put the adapter in `folder` (ours or PEFT's) on `model`, which is its base; returns its configuration.

    Raises:
        ModelError: there is none, it is beyond plain LoRA, or its layers are not those of this model.
    """
    config = read_config(folder)
    weights = load_file(folder / _weights_file)
    names = sorted({key.removeprefix(_prefix).rpartition(".lora_")[0] for key in weights})
    if {key for name in names for key in _keys(name)} != weights.keys():
        raise ModelError("train.adapter_unsupported", keys=", ".join(weights), where=folder / _weights_file)
    layers = dict(model.named_modules())
    for name in names:
        layer, (a, b) = layers.get(name), (tuple(weights[key].shape) for key in _keys(name))
        if not isinstance(layer, nn.Linear) or (b[0], a[1]) != tuple(layer.weight.shape) or a[0] != config.rank:
            raise ModelError("train.adapter_of_another_base", layer=name, folder=folder)
    _inject(model, names, config=config)
    with torch.no_grad():
        for name, layer in _layers(model).items():
            for parameter, key in zip((layer.lora_A, layer.lora_B), _keys(name), strict=True):
                parameter.copy_(weights[key])
    return config


def _layers(model: nn.Module) -> dict[str, LoraLinear]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLinear)}


def _layers_called(model: nn.Module, targets: Collection[str]) -> list[str]:
    linear = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    found = [name for name in linear if name.rpartition(".")[2] in targets]
    if not found:
        known = sorted({name.rpartition(".")[2] for name in linear})
        raise ModelError("train.no_target", targets=", ".join(sorted(targets)), known=", ".join(known))
    return found


def _inject(model: nn.Module, names: Iterable[str], *, config: LoraConfig) -> None:
    for name in names:
        layer = model.get_submodule(name)
        _replace(model, name, layer=LoraLinear(layer, rank=config.rank, factor=config.factor))


def _keys(name: str) -> tuple[str, str]:
    return f"{_prefix}{name}.lora_A.weight", f"{_prefix}{name}.lora_B.weight"


def _replace(model: nn.Module, name: str, *, layer: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    model.get_submodule(parent).register_module(leaf, layer)


# Keys of PEFT's LoraConfig that we read, or that do not change what a saved adapter computes. Any other key must be at
# a value that means "off".
_understood = (
    *("auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "exclude_modules", "inference_mode"),
    *("layers_pattern", "layers_to_transform", "lora_alpha", "lora_dropout", "lora_ga_config", "megatron_core"),
    *("peft_version", "qalora_group_size", "r", "revision", "runtime_config", "target_modules", "task_type"),
    "use_rslora",
)
_off: tuple[Any, ...] = (None, False, {}, [], "none")
_plain: dict[str, tuple[Any, ...]] = {"peft_type": ("LORA",), "init_lora_weights": (True, False, "gaussian")}


def _peft_config(config: LoraConfig, *, dropout: float, base: str) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": dropout,
        "target_modules": sorted(config.targets),
        "use_rslora": config.scaling == "rank_stabilised",
        "use_dora": False,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "rank_pattern": {},
        "alpha_pattern": {},
    }
