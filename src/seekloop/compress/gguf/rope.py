"""Rotary positions as GGUF metadata: base frequency, stretching by factor, Llama 3.1's and YaRN's rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from seekloop.compress.gguf.layout import Pairs, Target
from seekloop.system.errors import ModelError

__all__ = ["rope_of", "rope_pairs", "rope_targets"]


def rope_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """transformers 5 writes `rope_parameters`; earlier versions `rope_theta` and `rope_scaling`."""
    rope = {"rope_theta": config.get("rope_theta", 10_000.0), **(config.get("rope_scaling") or {})}
    rope |= config.get("rope_parameters") or {}
    return {**rope, "rope_type": rope.get("rope_type") or rope.get("type") or "default"}


def rope_pairs(config: Mapping[str, Any], *, width: int) -> Pairs:
    """For heads whose first or last `width` values are rotated.

    Raises:
        ModelError: positions are stretched by a rule that llama.cpp does not know, or has no such setting for.
    """
    rope = rope_of(config)
    pairs: Pairs = {"rope.dimension_count": width, "rope.freq_base": float(rope["rope_theta"])}
    match rope["rope_type"]:
        case "default" | "llama3":
            return pairs
        case "linear":
            return {**pairs, "rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}
        case "yarn":
            return {**pairs, **_yarn(rope, config)}
        case other:
            raise ModelError("compress.unknown_rope", kind=other)


def rope_targets(config: Mapping[str, Any], *, width: int) -> list[Target]:
    """Tensors that no checkpoint holds: for Llama 3.1's stretching, what divides each frequency."""
    rope = rope_of(config)
    if rope["rope_type"] != "llama3":
        return []
    waves = 2 * math.pi * rope["rope_theta"] ** (np.arange(0, width, 2, dtype=np.float64) / width)
    # transformers' `llama3` rule: long waves are stretched by `factor`, short ones kept, those between blended.
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = (rope["original_max_position_embeddings"] / waves - low) / (high - low)
    divisor = 1 / ((1 - np.clip(smooth, 0, 1)) / rope["factor"] + np.clip(smooth, 0, 1))
    values = divisor.astype(np.float32)
    return [Target(name="rope_freqs.weight", shape=values.shape, constant=values, exact=True)]


def _yarn(rope: Mapping[str, Any], config: Mapping[str, Any]) -> Pairs:
    """YaRN (Peng et al. 2023). llama.cpp multiplies by `1 + 0.1 ln(factor)` of itself, so only what differs is told."""
    factor = float(rope["factor"])
    original = rope.get("original_max_position_embeddings") or config["max_position_embeddings"]
    attention = rope.get("attention_factor")
    if not rope.get("truncate", True):
        raise ModelError("compress.unknown_rope", kind="yarn, truncate: false")
    parts = rope.get("mscale"), rope.get("mscale_all_dim")
    if attention is None and all(parts) and parts[0] != parts[1]:
        raise ModelError("compress.unknown_rope", kind="yarn, mscale other than mscale_all_dim")
    return {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": factor,
        "rope.scaling.original_context_length": int(original),
        "rope.scaling.yarn_beta_fast": float(rope.get("beta_fast") or 32),
        "rope.scaling.yarn_beta_slow": float(rope.get("beta_slow") or 1),
        **({} if attention is None else {"rope.scaling.attn_factor": attention / (1 + 0.1 * math.log(factor))}),
    }
