"""Adapter layers from their spec: new ones, or earlier ones that are trained on."""

from __future__ import annotations

import logging

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.runtime.train.methods.adapters import kind_of
from seekloop.runtime.train.methods.bottleneck import KIND, Bottleneck, BottleneckConfig, read_config
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.tune.soft_spec import BottleneckMethod

__all__ = ["build"]


def build(spec: BottleneckMethod, checkpoint: Checkpoint, *, store: Store, logger: logging.Logger) -> Bottleneck:
    """The method for training `checkpoint`; adapter layers are trained on as they are.

    Raises:
        TrainError: the spec asks for something else than what is trained on.
    """
    if checkpoint.form != "adapter":
        config = BottleneckConfig(width=spec.width, placement=spec.placement, activation=spec.activation)
        return Bottleneck(config=config, base=checkpoint.id)
    identity, folder = digests.short(checkpoint.id), store.folder(checkpoint.id)
    kind = kind_of(folder)
    if kind != KIND:
        raise TrainError("tune.other_adapter", id=identity, kind=kind, method=spec.type)
    own = read_config(folder)
    has = {"width": own.width, "placement": own.placement, "activation": own.activation}
    for key, value in has.items():
        asked = spec.model_dump()[key]
        if key in spec.model_fields_set and asked != value:
            raise TrainError("tune.not_inherited", key=key, value=asked, own=value, id=identity)
    logger.info("going on with %s: width %d, %s, %s are inherited", identity, *has.values())
    return Bottleneck(config=own, base=checkpoint.parents["base"])
