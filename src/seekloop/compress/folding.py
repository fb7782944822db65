"""What an adapter adds to each weight of its base, one weight at a time where the kind allows it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open

from seekloop.runtime.quantised import Quantisation, read_note, rounded
from seekloop.runtime.train.methods import peft_kinds
from seekloop.runtime.train.methods.adapters import kind_of
from seekloop.runtime.train.methods.lora_config import HEAD, WEIGHTS_FILE, LoraConfig, keys_of, layer_names, read_config
from seekloop.runtime.train.methods.lora_layers import added
from seekloop.runtime.weights import open_model
from seekloop.system.errors import ModelError

__all__ = ["Array", "Fold", "open_fold"]

Array = npt.NDArray[np.float32]


class Fold(Protocol):
    """What changes between the base's file and the tuned model."""

    def base(self, name: str, weight: Array) -> Array:
        """The base's tensor as the adapter was trained on it, given what its file holds."""

    def change(self, name: str, weight: Array) -> Array | None:
        """What the adapter adds to the tensor called `name`, given the base's; None: nothing."""


@contextlib.contextmanager
def open_fold(folder: Path, *, base: Path, names: Collection[str]) -> Iterator[Fold]:
    """The adapter in `folder`, open inside the block.

    Args:
        folder: adapter, ours or PEFT's.
        base: folder of its base.
        names: of the base's tensors.

    Raises:
        ModelError: it does not fit the base, or its kind cannot be folded into weights.
    """
    kind = kind_of(folder)
    if kind == "LORA":
        config = read_config(folder)
        with safe_open(folder / WEIGHTS_FILE, framework="numpy") as adapter:
            layers = _layers({*adapter.keys()} - {HEAD}, config, names=names, where=folder)
            storage, stored = read_note(folder)
            yield _LowRank(config=config, layers=layers, adapter=adapter, storage=storage, stored=stored)
    elif peft_kinds.opens(kind):
        yield _Merged(peft_kinds.merged_weights(open_model(base), folder))
    else:
        raise ModelError("compress.not_foldable", kind=kind, where=folder)


@dataclass(frozen=True, kw_only=True)
class _LowRank:
    """LoRA and DoRA: computed from their small matrices when a weight is asked for."""

    config: LoraConfig
    layers: Mapping[str, str]
    """Weight name -> layer name."""
    adapter: Any
    storage: Quantisation | None
    stored: tuple[str, ...]
    """Layers of the base that were held in `storage`."""

    def base(self, name: str, weight: Array) -> Array:
        """Rounded to the storage that it was trained in, where that was not fp32."""
        if self.storage is None or name.removesuffix(".weight") not in self.stored:
            return weight
        unpacked: Array = rounded(torch.from_numpy(weight), self.storage).numpy()
        return unpacked

    def change(self, name: str, weight: Array) -> Array | None:
        """`factor B A`; with lengths m, `m / |V| * V - W` where V = W + factor B A."""
        if name not in self.layers:
            return None
        layer = self.layers[name]
        parts = {
            part: self.adapter.get_tensor(key).astype(np.float32, copy=False)
            for part, key in keys_of(layer, self.config).items()
        }
        a, b = (torch.from_numpy(parts[part]) for part in ("lora_A", "lora_B"))
        change: Array = added(a, b, factor=self.config.factor_of(layer)).numpy()
        if not self.config.magnitude:
            return change
        direction = weight + change
        scale = parts["lora_magnitude_vector"] / np.linalg.norm(direction, axis=1)
        return direction * scale[:, None].astype(np.float32) - weight


class _Merged:
    """Kinds that PEFT merges: the whole merged model is in memory."""

    def __init__(self, merged: Mapping[str, torch.Tensor]) -> None:
        self._merged = merged

    def base(self, name: str, weight: Array) -> Array:
        """As it is."""
        return weight

    def change(self, name: str, weight: Array) -> Array | None:
        """Merged less base; None where nothing changed."""
        if name not in self._merged:
            return None
        added: Array = self._merged[name].float().numpy() - weight
        return added if added.any() else None


def _layers(keys: Collection[str], config: LoraConfig, *, names: Collection[str], where: Path) -> dict[str, str]:
    layers = layer_names(keys)
    known = {key for layer in layers for key in keys_of(layer, config).values()}
    weights = {f"{layer}.weight": layer for layer in layers}
    strangers = sorted(set(keys) ^ known) or sorted(set(weights) - set(names))
    if strangers:
        raise ModelError("compress.adapter_does_not_fit", name=strangers[0], where=where)
    return weights
