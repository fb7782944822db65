"""The weights of a full or adapter checkpoint as numpy arrays, one at a time, with the adapter folded in."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.models import base_of
from seekloop.runtime.train.methods.lora import read_config
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["Array", "Weights", "open_weights"]

Array = npt.NDArray[np.float32]
_prefix = "base_model.model."


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Read one tensor after another: only those in use are in memory."""

    config: Mapping[str, Any]
    """The model's config.json."""
    folder: Path
    """Of the base, or of the checkpoint itself where it is full."""
    names: tuple[str, ...]
    _base: Any
    _adapter: Any
    _factor: float
    """What the adapter's low-rank products are multiplied by."""
    _pairs: Mapping[str, tuple[str, str]]
    """Weight name -> keys of A and B."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the tensor called `name`, without reading it."""
        return tuple(self._base.get_slice(name).get_shape())

    def read(self, name: str) -> Array:
        """The tensor called `name`, fp32: `W + factor B A` where the adapter holds a pair for it."""
        weight: Array = self._base.get_tensor(name).astype(np.float32, copy=False)
        change = self.change(name)
        return weight if change is None else weight + change

    def change(self, name: str) -> Array | None:
        """What the adapter adds to the tensor called `name`, fp32; None: nothing."""
        if name not in self._pairs:
            return None
        a, b = (self._adapter.get_tensor(key).astype(np.float32, copy=False) for key in self._pairs[name])
        added: Array = (b @ a) * np.float32(self._factor)
        return added


@contextlib.contextmanager
def open_weights(checkpoint: Checkpoint, *, store: Store) -> Iterator[Weights]:
    """The weights of a checkpoint, open inside the block.

    Raises:
        ModelError: it is compressed already, or its adapter is beyond plain LoRA or does not fit its base.
        ArtifactError: it, or its base, is not in the store.
    """
    if checkpoint.form == "gguf":
        raise ModelError("compress.compressed", id=digests.short(checkpoint.id), form=checkpoint.form)
    folder = store.folder(base_of(checkpoint, store).id)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    with contextlib.ExitStack() as files:
        base = files.enter_context(safe_open(folder / "model.safetensors", framework="numpy"))
        names = tuple(sorted(base.keys()))
        adapter, factor, pairs = None, 0.0, {}
        if checkpoint.form == "adapter":
            place = store.folder(checkpoint.id)
            factor = read_config(place).factor
            adapter = files.enter_context(safe_open(place / "adapter_model.safetensors", framework="numpy"))
            pairs = _pairs(adapter.keys(), names=names, where=place)
        yield Weights(
            config=config, folder=folder, names=names, _base=base, _adapter=adapter, _factor=factor, _pairs=pairs
        )


def _pairs(keys: list[str], *, names: tuple[str, ...], where: Path) -> dict[str, tuple[str, str]]:
    layers = {key.removeprefix(_prefix).rpartition(".lora_")[0] for key in keys}
    pairs = {
        f"{layer}.weight": (f"{_prefix}{layer}.lora_A.weight", f"{_prefix}{layer}.lora_B.weight") for layer in layers
    }
    strangers = sorted(set(keys) - {key for pair in pairs.values() for key in pair}) or sorted(set(pairs) - set(names))
    if strangers:
        raise ModelError("compress.adapter_does_not_fit", name=strangers[0], where=where)
    return pairs
