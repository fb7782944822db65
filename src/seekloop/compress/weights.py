"""The weights of a full or adapter checkpoint as numpy arrays, one at a time, with the adapter folded in."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.compress.folding import Array, Fold, open_fold
from seekloop.runtime.grids import Target, grid_of, on_grid, read_target
from seekloop.runtime.models import base_of
from seekloop.runtime.train.methods.method import is_router
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["Array", "Weights", "open_weights"]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Read one tensor after another: only those in use are in memory."""

    config: Mapping[str, Any]
    """The model's config.json."""
    folder: Path
    """Of the base, or of the checkpoint itself where it is full."""
    names: tuple[str, ...]
    _base: Any
    _fold: Fold | None
    """Of the adapter; None: there is none."""
    target: Target | None = None
    """The format that it was trained for; None: it was not."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Of the tensor called `name`, without reading it."""
        return tuple(self._base.get_slice(name).get_shape())

    def read(self, name: str) -> Array:
        """The tensor called `name`, fp32: the base's, and what the adapter adds to it.

        What was trained for a storage format is what it is there: these values were trained, and are on its grid.
        """
        weight = self._trained_on(name)
        change = self._fold.change(name, weight) if self._fold else None
        whole = weight if change is None else weight + change
        if self.target is None or whole.ndim != 2 or is_router(name):
            return whole
        grid = grid_of(name, self.target)
        rounded: Array = on_grid(torch.from_numpy(whole), grid, group=self.target.group).numpy()
        return rounded

    def change(self, name: str) -> Array | None:
        """What the adapter adds to the tensor called `name`, fp32; None: nothing."""
        weight = self._trained_on(name)
        change = self._fold.change(name, weight) if self._fold else None
        return change if change is None or self.target is None else self.read(name) - weight

    def _trained_on(self, name: str) -> Array:
        weight: Array = self._base.get_tensor(name).float().numpy()
        return self._fold.base(name, weight) if self._fold else weight


@contextlib.contextmanager
def open_weights(checkpoint: Checkpoint, *, store: Store) -> Iterator[Weights]:
    """The weights of a checkpoint, open inside the block.

    Raises:
        ModelError: it is compressed already, or its adapter does not fit its base or cannot be folded into it.
        ArtifactError: it, or its base, is not in the store.
    """
    if checkpoint.form not in ("full", "adapter"):
        raise ModelError("compress.compressed", id=digests.short(checkpoint.id), form=checkpoint.form)
    folder = store.folder(base_of(checkpoint, store).id)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    with contextlib.ExitStack() as files:
        base = files.enter_context(safe_open(folder / "model.safetensors", framework="pt"))
        names, fold = tuple(sorted(base.keys())), None
        target = read_target(store.folder(checkpoint.id))
        if checkpoint.form == "adapter":
            fold = files.enter_context(open_fold(store.folder(checkpoint.id), base=folder, names=names))
        yield Weights(config=config, folder=folder, names=names, _base=base, _fold=fold, target=target)
