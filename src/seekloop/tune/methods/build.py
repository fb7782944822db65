"""The table of methods. A further one is a file in `runtime/train/methods`, a spec, a file here and a case here."""

from __future__ import annotations

import logging

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.families import FamilyCard
from seekloop.runtime.train.methods.method import Method
from seekloop.tune.method_spec import FullMethod, LoraMethod, MethodSpec
from seekloop.tune.methods import full, lora

__all__ = ["build", "default_rate"]


def build(
    spec: MethodSpec, checkpoint: Checkpoint, *, card: FamilyCard, store: Store, logger: logging.Logger
) -> Method:
    """The method that `spec` names, for training `checkpoint`.

    Raises:
        TrainError: an adapter cannot be trained that way.
    """
    match spec:
        case FullMethod():
            return full.build(checkpoint)
        case LoraMethod():
            return lora.build(spec, checkpoint, card=card, store=store, logger=logger)


def default_rate(spec: MethodSpec, card: FamilyCard) -> float:
    """The learning rate to take where the spec gives none."""
    return card.learning_rates.lora if isinstance(spec, LoraMethod) else card.learning_rates.full
