"""The table of architectures whose export is proven against torch. A further one is a `Layout` and a case here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekloop.compress.gguf.dense import Dense
from seekloop.compress.gguf.latent import LITE_DEPTHS, Latent
from seekloop.compress.gguf.layout import Layout
from seekloop.system.errors import ModelError

__all__ = ["ARCHITECTURES", "layout_of"]

ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen2_moe": "qwen2moe",
    "qwen3_moe": "qwen3moe",
    "deepseek_v2": "deepseek2",
    "deepseek_v3": "deepseek2",
}
"""`model_type` in config.json -> `general.architecture`."""
_norms_weights = {"qwen2_moe": False, "qwen3_moe": True}
"""Whether llama.cpp sets the weights of the chosen experts to a sum of one; it has no setting for it here."""


def layout_of(config: Mapping[str, Any]) -> Layout:
    """The layout for a config.json.

    Raises:
        ModelError: the architecture, or something in it, has no export that we have proven.
    """
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        raise ModelError("compress.unknown_architecture", kind=kind, known=", ".join(ARCHITECTURES))
    _check(config, kind=kind)
    if kind.startswith("deepseek"):
        return Latent(config=config)
    return Dense(architecture=ARCHITECTURES[kind], config=config)


def _check(config: Mapping[str, Any], *, kind: str) -> None:
    """Refuse what a configuration of a known architecture may ask for and llama.cpp does otherwise, or not at all."""
    window = config.get("sliding_window") if kind == "mistral" else None
    if config.get("use_sliding_window") or (window or 10**9) < config["max_position_embeddings"]:
        raise ModelError("compress.sliding_window")
    odd = {
        "hidden_act": config.get("hidden_act", "silu") != "silu",
        "norm_topk_prob": kind in _norms_weights and bool(config.get("norm_topk_prob")) != _norms_weights[kind],
        "decoder_sparse_step": kind in _norms_weights and config.get("decoder_sparse_step", 1) != 1,
        "mlp_only_layers": kind in _norms_weights and bool(config.get("mlp_only_layers")),
        "rope_interleave": kind == "deepseek_v3" and not config.get("rope_interleave", True),
        # llama.cpp ranks groups of experts by their two best, as V3 does; V2 does so by the best.
        "topk_method": kind == "deepseek_v2"
        and config.get("topk_method") != "greedy"
        and (config.get("n_group") or 1) > 1,
        "q_lora_rank": kind.startswith("deepseek")
        and not config.get("q_lora_rank")
        and config["num_hidden_layers"] not in LITE_DEPTHS,
    }
    for name, is_odd in odd.items():
        if is_odd:
            raise ModelError("compress.unknown_setting", name=name, value=config.get(name), kind=kind)
