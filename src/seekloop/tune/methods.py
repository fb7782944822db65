"""From the method of a spec to the method of the loop. A further one is a file in `runtime/train` and a case here."""

from __future__ import annotations

import logging

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.families import FamilyCard
from seekloop.runtime.train.full import Full
from seekloop.runtime.train.lora import Lora, LoraConfig, read_config
from seekloop.runtime.train.method import Method
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.tune.spec import FullMethod, LoraMethod

__all__ = ["build", "default_rate"]


def build(
    spec: LoraMethod | FullMethod, checkpoint: Checkpoint, *, card: FamilyCard, store: Store, logger: logging.Logger
) -> Method:
    """The method that `spec` names, for training `checkpoint`.

    Raises:
        TrainError: an adapter cannot be trained that way.
    """
    match spec:
        case FullMethod():
            if checkpoint.form == "adapter":
                raise TrainError("tune.full_on_adapter", id=digests.short(checkpoint.id))
            return Full()
        case LoraMethod():
            if checkpoint.form == "adapter":
                config = _inherited(spec, checkpoint, store=store, logger=logger)
                return Lora(config=config, dropout=spec.dropout, base=checkpoint.parents["base"])
            config = LoraConfig(
                rank=spec.rank,
                alpha=spec.alpha or 2.0 * spec.rank,
                targets=spec.targets or card.lora_targets,
                scaling=spec.scaling,
            )
            return Lora(config=config, dropout=spec.dropout, base=checkpoint.id)


def default_rate(spec: LoraMethod | FullMethod, card: FamilyCard) -> float:
    """The learning rate to take where the spec gives none."""
    return card.learning_rates.lora if isinstance(spec, LoraMethod) else card.learning_rates.full


def _inherited(spec: LoraMethod, checkpoint: Checkpoint, *, store: Store, logger: logging.Logger) -> LoraConfig:
    """The adapter's own configuration; a spec that says otherwise is refused rather than ignored."""
    config = read_config(store.folder(checkpoint.id))
    own = {
        "rank": config.rank,
        "alpha": config.alpha,
        "targets": tuple(sorted(config.targets)),
        "scaling": config.scaling,
    }
    asked = {name: value for name, value in spec.model_dump().items() if name in spec.model_fields_set and name in own}
    if asked.get("targets") is not None:
        asked["targets"] = tuple(sorted(asked["targets"]))
    for name, value in asked.items():
        if value is not None and value != own[name]:
            raise TrainError(
                "tune.not_inherited", key=name, value=value, own=own[name], id=digests.short(checkpoint.id)
            )
    logger.info(
        "going on with %s: rank %d, alpha %g, %s, on %s are inherited",
        digests.short(checkpoint.id),
        config.rank,
        config.alpha,
        config.scaling,
        " ".join(config.targets),
    )
    return config
