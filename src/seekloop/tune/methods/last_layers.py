"""Training of the last layers from its spec."""

from __future__ import annotations

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.train.methods.adapters import kind_of
from seekloop.runtime.train.methods.layers import LastLayers
from seekloop.system import digests
from seekloop.system.errors import TrainError, UsageError
from seekloop.tune.soft_spec import LastLayersMethod

__all__ = ["build"]


def build(spec: LastLayersMethod, checkpoint: Checkpoint, *, store: Store) -> LastLayers:
    """The method for training `checkpoint`.

    Raises:
        TrainError: it is an adapter, whose base stays as it is.
        UsageError: the spec trains next to nothing.
    """
    if checkpoint.form == "adapter":
        kind = kind_of(store.folder(checkpoint.id))
        raise TrainError("tune.other_adapter", id=digests.short(checkpoint.id), kind=kind, method=spec.type)
    if not spec.last and not spec.head:
        raise UsageError("tune.no_layers")
    return LastLayers(last=spec.last, head=spec.head, storage=spec.storage, memory_mb=spec.memory_mb)
