"""Any kind of PEFT from its spec: a new adapter, or an earlier one that is trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.model.families import FamilyCard
from seekloop.runtime.train.methods.peft_kinds import PeftKind, check_config, config_keys, weights_of
from seekloop.system import digests
from seekloop.system.errors import TrainError
from seekloop.tune.method_spec import PeftMethod

__all__ = ["build", "counted"]

_own_targets = ("BEFT", "LN_TUNING")
"""Kinds that are not about linear layers: PEFT knows which layers they go on."""


def build(spec: PeftMethod, checkpoint: Checkpoint, *, card: FamilyCard, store: Store) -> PeftKind:
    """The method for training `checkpoint`; an adapter is trained on as it is.

    Raises:
        TrainError: PEFT has no such kind or key, or the spec asks for another adapter than the one that is trained on.
        MissingPackage: PEFT is not installed.
    """
    check_config(spec.peft_type, spec.config)
    if checkpoint.form != "adapter":
        return PeftKind(spec.peft_type, _config(spec, card), base=checkpoint.id)
    folder = store.folder(checkpoint.id)
    own = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    asked = {"peft_type": spec.peft_type, **spec.config}
    for key, value in asked.items():
        if _sorted(value) != _sorted(own.get(key)):
            raise TrainError(
                "tune.not_inherited", key=key, value=value, own=own.get(key), id=digests.short(checkpoint.id)
            )
    return PeftKind(spec.peft_type, own, base=checkpoint.parents["base"], parent=folder)


def counted(spec: PeftMethod, model_config: Mapping[str, Any], *, card: FamilyCard) -> tuple[int, tuple[str, ...]]:
    """Weights that `spec` trains on a model of such a shape, and the last parts of the names of its layers.

    Raises:
        TrainError: PEFT has no such kind or key, or cannot build it without a model's weights.
        MissingPackage: PEFT is not installed.
    """
    check_config(spec.peft_type, spec.config)
    config = _config(spec, card)
    targets = config.get("target_modules") or ()
    return weights_of(spec.peft_type, config, model_config=model_config), tuple(targets)


def _config(spec: PeftMethod, card: FamilyCard) -> dict[str, Any]:
    """The spec's, on the family's linear layers where it names none."""
    config = dict(spec.config)
    if spec.peft_type not in _own_targets and "target_modules" in config_keys(spec.peft_type):
        config.setdefault("target_modules", list(card.lora_targets))
    if spec.peft_type == "IA3":
        inputs_scaled = [name for name in config["target_modules"] if name == "down_proj"]
        config.setdefault("feedforward_modules", inputs_scaled)
    return config


def _sorted(value: Any) -> Any:
    """PEFT keeps names as sets: their order means nothing."""
    return sorted(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
