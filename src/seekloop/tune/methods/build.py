"""The table of methods. A further one is a file in `runtime/train/methods`, a spec, a file here and a case here."""

from __future__ import annotations

import logging

from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.artifact.store import Store
from seekloop.model.families import FamilyCard
from seekloop.runtime.quantised import Quantisation
from seekloop.runtime.train.methods.method import Method
from seekloop.tune.method_spec import FullMethod, LoraMethod, MethodSpec, PeftMethod
from seekloop.tune.methods import bottleneck, full, last_layers, lora, peft, virtual
from seekloop.tune.methods.rates import default_rate, rate_factors
from seekloop.tune.soft_spec import BottleneckMethod, LastLayersMethod, PrefixMethod, PromptMethod, PTuningMethod

__all__ = ["build", "default_rate", "rate_factors", "storage", "virtual_tokens"]


def build(
    spec: MethodSpec,
    checkpoint: Checkpoint,
    *,
    dataset: Dataset,
    seed: int,
    card: FamilyCard,
    store: Store,
    logger: logging.Logger,
) -> Method:
    """The method that `spec` names, for training `checkpoint` on `dataset`.

    Raises:
        TrainError: an adapter cannot be trained that way.
    """
    match spec:
        case FullMethod():
            return full.build(checkpoint)
        case LoraMethod():
            return lora.build(spec, checkpoint, card=card, store=store, logger=logger)
        case PeftMethod():
            return peft.build(spec, checkpoint, card=card, store=store)
        case BottleneckMethod():
            return bottleneck.build(spec, checkpoint, store=store, logger=logger)
        case PrefixMethod() | PromptMethod() | PTuningMethod():
            return virtual.build(
                spec, checkpoint, method=spec.type, dataset=dataset, seed=seed, store=store, logger=logger
            )
        case LastLayersMethod():
            return last_layers.build(spec, checkpoint, store=store)


def storage(spec: MethodSpec) -> Quantisation | None:
    """How a base is to be held while `spec` trains on it; None: in full."""
    return lora.storage(spec) if isinstance(spec, LoraMethod) else None


def virtual_tokens(spec: MethodSpec) -> int:
    """Tokens of the context that the method takes for itself."""
    return spec.tokens if isinstance(spec, PrefixMethod | PromptMethod | PTuningMethod) else 0
