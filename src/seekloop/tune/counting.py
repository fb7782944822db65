"""What the method of a spec trains on a model of such a shape: counted, nothing loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from seekloop.model.families import FamilyCard
from seekloop.model.shapes import shape_of
from seekloop.model.trained import Trained, bottleneck, everything, last_layers, low_rank, prefix, prompt, scaled
from seekloop.runtime.train.methods.lora_config import LoraConfig
from seekloop.system.errors import TrainError
from seekloop.system.lazy import resolve
from seekloop.tune.method_spec import FullMethod, LoraMethod, MethodSpec, PeftMethod
from seekloop.tune.soft_spec import BottleneckMethod, LastLayersMethod, PrefixMethod, PromptMethod, PTuningMethod

__all__ = ["base_bytes", "draws", "lora_config", "rounded_weights", "trained_by"]

_nf4_block, _scales = 64, 256
"""Weights that share a scale, and scales that share theirs (`runtime/quantised.py`)."""


def trained_by(method: MethodSpec, config: Mapping[str, Any], *, card: FamilyCard) -> Trained | None:
    """What `method` trains; None for a kind of PEFT that cannot be built here without weights, or without PEFT.

    Args:
        method: of the spec.
        config: the base's config.json.
        card: of its family.

    Raises:
        ModelError: the architecture is not known.
    """
    match method:
        case FullMethod():
            return everything(config)
        case LoraMethod():
            adapter = lora_config(method, card)
            return low_rank(
                config,
                lambda name: adapter.rank_of(name) if adapter.adapts(name) else 0,
                lengths=method.dora,
                principal=method.init == "pissa",
            )
        case PeftMethod():
            return _peft(method, config, card=card)
        case BottleneckMethod():
            return bottleneck(config, width=method.width, places=2 if method.placement == "houlsby" else 1)
        case PrefixMethod():
            return prefix(config, tokens=method.tokens)
        case PromptMethod():
            return prompt(config, tokens=method.tokens)
        case PTuningMethod():
            return prompt(config, tokens=method.tokens, encoder=method.encoder, inner=method.hidden)
        case LastLayersMethod():
            return last_layers(config, last=min(method.last, shape_of(config).layers), head=method.head)


def draws(method: MethodSpec) -> bool:
    """Whether training draws random numbers: then one worker computes alone."""
    if isinstance(method, PeftMethod):
        return any(value for key, value in method.config.items() if "dropout" in key)
    return isinstance(method, LoraMethod) and method.dropout > 0


def base_bytes(method: MethodSpec, config: Mapping[str, Any], *, plain: float = 4.0) -> float:
    """Mean bytes of a weight of the base while `method` trains on it.

    In fewer bits: the linear layers but the head and routed experts. NF4: 4 bits and a scale of 32 for 64 weights, 4.5;
    with double quantisation the scale has 8 and a share of 64 for 256 of them, 4.129. int8: 8 bits, and 32 for a row.

    Args:
        method: of the spec.
        config: the base's config.json.
        plain: bytes of a weight that is held in full.
    """
    if not isinstance(method, LoraMethod) or method.base == "f32":
        return plain
    shape = shape_of(config)
    own = shape.vocab * shape.hidden * (1 if shape.tied else 2) + shape.others
    own += sum(one.parameters for one in shape.linears)
    inner = [one for one in shape.linears if not one.expert]
    held = sum(one.count * one.inputs * one.outputs for one in inner)
    if method.base == "int8":
        packed = held + 4.0 * sum(one.count * one.outputs for one in inner)
    else:
        scale = 8 + 64 / _scales if method.double_quantisation else 32
        packed = held * (4 + scale / _nf4_block) / 8
    return (packed + (own - held) * plain) / own


def rounded_weights(config: Mapping[str, Any]) -> int:
    """Weights that training for a storage format keeps rounded: all matrices but routers.

    Raises:
        ModelError: the architecture is not known.
    """
    shape = shape_of(config)
    tables = shape.vocab * shape.hidden * (1 if shape.tied else 2)
    return tables + sum(one.parameters for one in shape.linears) - shape.routers


def lora_config(spec: LoraMethod, card: FamilyCard) -> LoraConfig:
    """What the adapter of `spec` computes on a model of the family."""
    return LoraConfig(
        rank=spec.rank,
        alpha=spec.strength,
        targets=spec.adapted(card.lora_targets),
        scaling=spec.scaling,
        magnitude=spec.dora,
        layers=spec.layers,
        ranks=spec.rank_pattern,
        alphas=spec.alpha_pattern,
    )


def _peft(method: PeftMethod, config: Mapping[str, Any], *, card: FamilyCard) -> Trained | None:
    if any(importlib.util.find_spec(name) is None for name in ("peft", "torch")):
        return None
    # Resolved here because torch and PEFT come with it.
    try:
        weights, targets = resolve("seekloop.tune.methods.peft:counted")(method, config, card=card)
    except TrainError:
        return None
    return scaled(
        config, weights, targets=targets, how=f"{method.peft_type}: counted by PEFT on a model without memory"
    )
