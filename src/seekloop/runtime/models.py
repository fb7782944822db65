"""Checkpoints as models: load one, find its base, open its codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from torch import nn

from seekloop.artifact.kinds import Checkpoint, Form
from seekloop.artifact.store import Store
from seekloop.model.codec import Codec
from seekloop.runtime.linear import quicken
from seekloop.runtime.llm_int8 import open_int8
from seekloop.runtime.packed import open_packed
from seekloop.runtime.quantised import Quantisation, quantise, read_note
from seekloop.runtime.train.classifiers import open_head
from seekloop.runtime.train.methods.adapters import open_adapter
from seekloop.runtime.train.rounded import settle
from seekloop.runtime.weights import open_model
from seekloop.system import digests
from seekloop.system.errors import ModelError

__all__ = ["ROUNDED", "base_of", "codec_of", "load", "open_rounded"]

ROUNDED: Mapping[Form, Callable[[Path], nn.Module]] = MappingProxyType(
    {"compressed-tensors": open_packed, "bitsandbytes": open_int8}
)
"""Forms of whole numbers that torch runs, and what opens them."""


def load(
    checkpoint: Checkpoint, *, store: Store, storage: Quantisation | None = None, rounded: bool = True
) -> nn.Module:
    """The checkpoint as a transformers model, fp32, in eval mode; an adapter comes as layers on its base,
    a classifier with its head.

    A base that an adapter was trained on in fewer bits is stored so again: the model is the one that was trained.

    Args:
        checkpoint: a base, a full checkpoint, an adapter, or one in whole numbers.
        store: where it, and an adapter's base, are.
        storage: how to hold the linear layers of what is no adapter; None: in full.
        rounded: give a checkpoint that was trained for a storage format the weights that it has there; else those that
            are rounded to these, to train on.

    Raises:
        ModelError: it is in a compressed form that torch does not run, or its files do not fit together.
        ArtifactError: it, or its base, is not in the store.
    """
    if checkpoint.form in ROUNDED:
        return open_rounded(store.folder(checkpoint.id), form=checkpoint.form)
    if checkpoint.form not in ("full", "adapter"):
        raise ModelError("train.not_for_torch", id=digests.short(checkpoint.id), form=checkpoint.form)
    base = store.folder(base_of(checkpoint, store).id)
    model, layers = open_model(base), None
    quicken(model)
    if checkpoint.form == "adapter":
        storage, layers = read_note(store.folder(checkpoint.id))
    if storage is not None:
        quantise(model, storage, layers=layers, file=base / "model.safetensors")
    if checkpoint.form == "adapter":
        open_adapter(model, store.folder(checkpoint.id))
    if rounded:
        settle(model, store.folder(checkpoint.id))
    open_head(model, store.folder(checkpoint.id))
    return model.eval().requires_grad_(False)


def open_rounded(folder: Path, *, form: Form) -> nn.Module:
    """A folder in the layout of one of `ROUNDED`, with the values that its file stands for, in eval mode.

    Raises:
        ModelError: its files do not fit together.
    """
    model = ROUNDED[form](folder)
    quicken(model)
    return model.requires_grad_(False)


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
