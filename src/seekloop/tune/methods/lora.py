"""LoRA from its spec: a new adapter, or an earlier one that is trained on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.families import FamilyCard
from seekloop.runtime.quantised import Quantisation, read_note
from seekloop.runtime.train.methods.lora import Lora, LoraConfig, read_config
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.tune.counting import lora_config
from seekloop.tune.method_spec import LoraMethod

__all__ = ["build", "storage"]


def build(spec: LoraMethod, checkpoint: Checkpoint, *, card: FamilyCard, store: Store, logger: logging.Logger) -> Lora:
    """The method for training `checkpoint`; an adapter is trained on as it is.

    Raises:
        TrainError: the spec asks for another adapter than the one that is trained on.
    """
    config, held = lora_config(spec, card), storage(spec)
    base, start = checkpoint.id, spec.init
    if checkpoint.form == "adapter":
        folder = store.folder(checkpoint.id)
        own, own_storage = read_config(folder), read_note(folder)[0]
        # One that began as a principal part is saved with twice the rank, and goes on like that.
        asked = config.doubled() if start == "pissa" else config
        _refuse_others(spec, _keys(asked, held), own=_keys(own, own_storage), id_=digests.short(checkpoint.id))
        config, held = own, own_storage
        base, start = checkpoint.parents["base"], "kaiming"
        _say_inherited(checkpoint, config, held=held, logger=logger)
    if held is not None:
        logger.info("the base is held in %s: what is trained belongs to it as it is unpacked", held.format)
    return Lora(config=config, dropout=spec.dropout, base=base, start=start, storage=held)


def storage(spec: LoraMethod) -> Quantisation | None:
    """How the base is held while it is trained; None: in full."""
    return None if spec.base == "f32" else Quantisation(format=spec.base, double=spec.double_quantisation)


def _keys(config: LoraConfig, held: Quantisation | None) -> dict[str, Any]:
    """What an adapter is, under the names of the spec's keys."""
    return {
        "rank": config.rank,
        "alpha": config.alpha,
        "targets": tuple(sorted(config.targets)),
        "scaling": config.scaling,
        "dora": config.magnitude,
        "layers": config.layers,
        "rank_pattern": dict(config.ranks),
        "alpha_pattern": dict(config.alphas),
        "base": held.format if held else "f32",
        "double_quantisation": held.double if held else False,
    }


def _refuse_others(spec: LoraMethod, asked: Mapping[str, Any], *, own: Mapping[str, Any], id_: str) -> None:
    """A spec that says otherwise is refused rather than ignored."""
    said = {name for name, value in spec if name in spec.model_fields_set and value is not None}
    for name in own:
        if name in said and asked[name] != own[name]:
            raise TrainError("tune.not_inherited", key=name, value=asked[name], own=own[name], id=id_)


def _say_inherited(
    checkpoint: Checkpoint, config: LoraConfig, *, held: Quantisation | None, logger: logging.Logger
) -> None:
    logger.info(
        "going on with %s: rank %d, alpha %g, %s%s, base in %s, on %s are inherited",
        digests.short(checkpoint.id),
        config.rank,
        config.alpha,
        config.scaling,
        " with lengths" if config.magnitude else "",
        held.format if held else "f32",
        " ".join(config.targets),
    )
