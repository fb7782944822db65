"""What a LoRA adapter computes, apart from its weights: PEFT's `adapter_config.json`, read and written."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from safetensors import safe_open

from seekloop.system.errors import ModelError

__all__ = [
    "CONFIG_FILE",
    "HEAD",
    "PREFIX",
    "WEIGHTS_FILE",
    "LoraConfig",
    "Scaling",
    "keys_of",
    "layer_names",
    "read_config",
    "write_config",
]

Scaling = Literal["standard", "rank_stabilised"]
CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What PEFT puts before the names of layers."""
HEAD = f"{PREFIX}score.weight"
"""A classifier's head, which `runtime/train/classifiers.py` opens."""


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """What `adapter_config.json` says, as far as it changes results."""

    rank: int
    alpha: float
    targets: tuple[str, ...]
    """Last parts of the names of the layers that are adapted, or whole names."""
    scaling: Scaling = "standard"
    """`standard`: alpha / rank; `rank_stabilised`: alpha / sqrt(rank) (Kalajdzievski 2023)."""
    magnitude: bool = False
    """Whether each output has a trained length of its own (DoRA, Liu et al. 2024)."""
    layers: tuple[int, ...] | None = None
    """Numbers of the decoder layers that are adapted; None: all."""
    ranks: Mapping[str, int] = field(default_factory=dict)
    """Name, or pattern at the end of a name -> rank of those layers."""
    alphas: Mapping[str, float] = field(default_factory=dict)
    """Name, or pattern at the end of a name -> alpha of those layers."""

    def rank_of(self, name: str) -> int:
        """Rank of the layer called `name`."""
        return self.ranks.get(_pattern(self.ranks, name), self.rank)

    def factor_of(self, name: str) -> float:
        """What the low-rank product of the layer called `name` is multiplied by."""
        rank, alpha = self.rank_of(name), self.alphas.get(_pattern(self.alphas, name), self.alpha)
        return alpha / (math.sqrt(rank) if self.scaling == "rank_stabilised" else rank)

    def adapts(self, name: str) -> bool:
        """Whether the linear layer called `name` is adapted; its number is the first in its name, as in PEFT."""
        if name in self.targets:
            return True
        found = re.match(r".*?\.[^.]*\.(\d+)\.", name)
        inside = self.layers is None or (found is not None and int(found[1]) in self.layers)
        return inside and any(name == target or name.endswith(f".{target}") for target in self.targets)

    def doubled(self) -> LoraConfig:
        """Twice every rank, every factor as it is."""
        more = math.sqrt(2.0) if self.scaling == "rank_stabilised" else 2.0
        return dataclasses.replace(
            self,
            rank=2 * self.rank,
            alpha=more * self.alpha,
            ranks={name: 2 * rank for name, rank in self.ranks.items()},
            alphas={name: more * alpha for name, alpha in self.alphas.items()},
        )


def keys_of(name: str, config: LoraConfig) -> dict[str, str]:
    """Parameters of the adapted layer called `name` -> their keys in the weights file."""
    place = f"{PREFIX}{name}."
    keys = {"lora_A": f"{place}lora_A.weight", "lora_B": f"{place}lora_B.weight"}
    return keys | ({"lora_magnitude_vector": f"{place}lora_magnitude_vector"} if config.magnitude else {})


def read_config(folder: Path) -> LoraConfig:
    """The configuration of an adapter in PEFT's format.

    Raises:
        ModelError: there is none, or it uses something that is not computed here.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ModelError("train.no_adapter", folder=folder)
    value = json.loads(path.read_text("utf-8"))
    beyond = [key for key in value if key not in _understood and value[key] not in _plain.get(key, _off)]
    if beyond:
        raise ModelError("train.adapter_unsupported", keys=", ".join(beyond), where=path)
    layers = value.get("layers_to_transform")
    whole = isinstance(value.get("target_modules"), str) or any(value.get(key) for key in _narrowing)
    return LoraConfig(
        rank=int(value["r"]),
        alpha=float(value["lora_alpha"]),
        targets=_adapted(folder) if whole else tuple(sorted(value.get("target_modules") or ())),
        scaling="rank_stabilised" if value.get("use_rslora") else "standard",
        magnitude=bool(value.get("use_dora")),
        layers=None if whole or layers in (None, []) else tuple(layers if isinstance(layers, list) else [layers]),
        ranks=dict(value.get("rank_pattern") or {}),
        alphas=dict(value.get("alpha_pattern") or {}),
    )


def write_config(config: LoraConfig, folder: Path, *, dropout: float, base: str) -> None:
    """Write `adapter_config.json`."""
    value = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": dropout,
        "target_modules": sorted(config.targets),
        "layers_to_transform": None if config.layers is None else list(config.layers),
        "use_rslora": config.scaling == "rank_stabilised",
        "use_dora": config.magnitude,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "rank_pattern": dict(config.ranks),
        "alpha_pattern": dict(config.alphas),
    }
    (folder / CONFIG_FILE).write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")


def layer_names(keys: Iterable[str]) -> tuple[str, ...]:
    """The layers that the keys of a weights file belong to, sorted."""
    return tuple(sorted({key.removeprefix(PREFIX).rpartition(".lora_")[0] for key in keys}))


def _adapted(folder: Path) -> tuple[str, ...]:
    """Whole names: where PEFT chose layers by a rule of its own, the weights say which."""
    with safe_open(folder / WEIGHTS_FILE, framework="numpy") as file:
        return layer_names({*file.keys()} - {HEAD})


def _pattern(patterns: Collection[str], name: str) -> str:
    """The first pattern that fits the end of `name`, as PEFT looks it up; `name` itself where none does."""
    return next((each for each in patterns if re.match(rf"(.*\.)?({each})$", name)), name)


# Keys of PEFT's LoraConfig that we read, or that do not change what a saved adapter computes. Any other key must be at
# a value that means "off".
_narrowing = ("exclude_modules", "layers_pattern")
_understood = (
    *("alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "exclude_modules"),
    *("inference_mode", "layers_pattern", "layers_to_transform", "lora_alpha", "lora_dropout", "lora_ga_config"),
    *("megatron_core", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config"),
    *("target_modules", "task_type", "use_dora", "use_rslora"),
)
_off: tuple[Any, ...] = (None, False, {}, [], "none")
_plain: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "init_lora_weights": (True, False, "gaussian"),
    "modules_to_save": (*_off, ["score"]),
}
