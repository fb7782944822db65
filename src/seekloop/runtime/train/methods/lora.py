"""LoRA and its kin (Hu et al. 2021; DoRA, rsLoRA, PiSSA): read and written in PEFT's format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.quantised import Quantisation, QuantisedLinear, quantise, write_note
from seekloop.runtime.train.methods.lora_config import (
    HEAD,
    WEIGHTS_FILE,
    LoraConfig,
    keys_of,
    layer_names,
    read_config,
    write_config,
)
from seekloop.runtime.train.methods.lora_layers import DoraLinear, LoraLinear
from seekloop.runtime.train.methods.lora_start import Start, begin
from seekloop.runtime.train.methods.method import freeze
from seekloop.system.errors import ModelError

__all__ = ["Lora", "LoraConfig", "LoraLinear", "open_adapter", "read_config"]


@dataclass(frozen=True, kw_only=True)
class Lora:
    """The method: freezes the model and adapts the layers that `config` names.

    A model that carries an adapter of this configuration already goes on with it.
    """

    config: LoraConfig
    dropout: float = 0.0
    base: str = ""
    """Id of the base checkpoint, for `adapter_config.json`."""
    form: Form = "adapter"
    start: Start = "kaiming"
    """How a new adapter begins."""
    storage: Quantisation | None = None
    """How the frozen base is stored (QLoRA); None: in full."""

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Store the base as it is asked for, and inject the layers; nothing changes by them before the first step.

        Raises:
            ModelError: the model has no layer of those names.
        """
        freeze(model)
        carried = _layers(model)
        if not carried:
            names = _layers_to_adapt(model, self.config)
            if self.storage is not None:
                _store(model, self.storage)
            _inject(model, names, config=self.config)
            carried = _layers(model)
            for name, layer in carried.items():
                begin(layer, self.start, name=name, seed=seed)
        for layer in carried.values():
            layer.dropout = self.dropout
            for parameter in _trained(layer).values():
                parameter.requires_grad_(True)
            layer.train()

    def draws(self) -> bool:
        """Only for dropout."""
        return self.dropout > 0.0

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write PEFT's files, and a note where the base is stored in fewer bits; returns how many weights they hold.

        An adapter that began as the principal part of its base is written as what it adds to the whole base, of twice
        the rank, so that no other tool needs to know how it began.
        """
        weights: dict[str, Tensor] = {}
        layers = _layers(model)
        moved = any(layer.start is not None for layer in layers.values())
        config = self.config.doubled() if moved else self.config
        for name, layer in layers.items():
            for key, place in keys_of(name, config).items():
                weights[place] = _written(layer)[key].detach().contiguous()
        save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        write_config(config, folder, dropout=self.dropout, base=self.base)
        if self.storage is not None:
            stored = (name for name, layer in model.named_modules() if isinstance(layer, QuantisedLinear))
            write_note(folder, self.storage, layers=tuple(name.removesuffix(".frozen") for name in stored))
        return sum(value.numel() for value in weights.values())


def open_adapter(model: nn.Module, folder: Path) -> LoraConfig:
    """Put the adapter in `folder` (ours or PEFT's) on `model`, which is its base; returns its configuration.

    Raises:
        ModelError: there is none, it is of a kind that is not computed here, or its layers are not those of this model.
    """
    config = read_config(folder)
    weights = {key: value for key, value in load_file(folder / WEIGHTS_FILE).items() if key != HEAD}
    names = layer_names(weights)
    if {key for name in names for key in keys_of(name, config).values()} != weights.keys():
        raise ModelError("train.adapter_unsupported", keys=", ".join(weights), where=folder / WEIGHTS_FILE)
    layers = dict(model.named_modules())
    for name in names:
        keys, layer = keys_of(name, config), layers.get(name)
        found = tuple(tuple(weights[keys[part]].shape) for part in ("lora_A", "lora_B"))
        if not isinstance(layer, nn.Linear | QuantisedLinear) or found != _shapes(layer, config.rank_of(name)):
            raise ModelError("train.adapter_of_another_base", layer=name, folder=folder)
    _inject(model, names, config=config)
    with torch.no_grad():
        for name, layer in _layers(model).items():
            for part, key in keys_of(name, config).items():
                _trained(layer)[part].copy_(weights[key])
    return config


def _store(model: nn.Module, how: Quantisation) -> None:
    """A model that was opened in that storage has nothing left to do."""
    if not any(isinstance(layer, QuantisedLinear) for layer in model.modules()):
        quantise(model, how)


def _shapes(layer: nn.Linear | QuantisedLinear, rank: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (rank, layer.in_features), (layer.out_features, rank)


def _layers(model: nn.Module) -> dict[str, LoraLinear]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLinear)}


def _trained(layer: LoraLinear) -> dict[str, nn.Parameter]:
    """The trained parameters of a layer by their names: those that are its own, and not the frozen layer's."""
    return dict(layer.named_parameters(recurse=False))


def _written(layer: LoraLinear) -> dict[str, Tensor]:
    """What is written of a layer: its parameters, less the product that it began with."""
    own: dict[str, Tensor] = {**_trained(layer)}
    if layer.start is not None:
        a, b = layer.start
        own |= {"lora_A": torch.cat([own["lora_A"], a]), "lora_B": torch.cat([own["lora_B"], -b], dim=1)}
    return own


def _layers_to_adapt(model: nn.Module, config: LoraConfig) -> list[str]:
    linear = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear | QuantisedLinear)]
    found = [name for name in linear if config.adapts(name)]
    if not found:
        known = sorted({name.rpartition(".")[2] for name in linear})
        raise ModelError("train.no_target", targets=", ".join(sorted(config.targets)), known=", ".join(known))
    return found


def _inject(model: nn.Module, names: Iterable[str], *, config: LoraConfig) -> None:
    kind = DoraLinear if config.magnitude else LoraLinear
    for name in names:
        parent, _, leaf = name.rpartition(".")
        layer = kind(model.get_submodule(name), rank=config.rank_of(name), factor=config.factor_of(name))
        model.get_submodule(parent).register_module(leaf, layer)
