"""Checkpoints as models: load one, find its base, open its codec."""

from __future__ import annotations

from torch import nn

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime.linear import quicken
from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.runtime.weights import open_model
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["base_of", "codec_of", "load"]


def load(checkpoint: Checkpoint, *, store: Store) -> nn.Module:
    """The checkpoint as a transformers model, fp32, in eval mode; an adapter comes as LoRA layers on its base.

    Raises:
        ModelError: it is in a compressed form that torch does not run, or its files do not fit together.
        ArtifactError: it, or its base, is not in the store.
    """
    if checkpoint.form == "gguf":
        raise ModelError("train.not_for_torch", id=digests.short(checkpoint.id), form=checkpoint.form)
    model = open_model(store.folder(base_of(checkpoint, store).id))
    quicken(model)
    if checkpoint.form == "adapter":
        open_adapter(model, store.folder(checkpoint.id))
    return model.eval().requires_grad_(False)


def base_of(checkpoint: Checkpoint, store: Store) -> Checkpoint:
    """The checkpoint that an adapter goes on; for every other form, the checkpoint itself.

    Raises:
        ModelError: the adapter names no base.
        ArtifactError: the base is not in the store.
    """
    if checkpoint.form != "adapter":
        return checkpoint
    if "base" not in checkpoint.parents:
        raise ModelError("train.adapter_without_base", id=digests.short(checkpoint.id))
    return store.open(checkpoint.parents["base"], Checkpoint)


def codec_of(checkpoint: Checkpoint, *, store: Store) -> Codec:
    """The codec that is stored in the checkpoint.

    Raises:
        ModelError: it has none, or it is damaged.
        ArtifactError: the checkpoint is not in the store.
    """
    return Codec.open(store.folder(checkpoint.id))
