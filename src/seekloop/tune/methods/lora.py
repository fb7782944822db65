"""LoRA from its spec: a new adapter, or an earlier one that is trained on."""

from __future__ import annotations

import logging

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.families import FamilyCard
from seekloop.runtime.train.methods.lora import Lora, LoraConfig, read_config
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.tune.method_spec import LoraMethod

__all__ = ["build"]


def build(spec: LoraMethod, checkpoint: Checkpoint, *, card: FamilyCard, store: Store, logger: logging.Logger) -> Lora:
    """The method for training `checkpoint`; an adapter is trained on as it is.

    Raises:
        TrainError: the spec asks for another adapter than the one that is trained on.
    """
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
