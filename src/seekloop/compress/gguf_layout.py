"""How the llama and qwen2 architectures are laid out in GGUF: hyperparameters, tensor names, and the order of heads."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seekloop.compress.weights import Array
from seekloop.system.errors import ModelError

__all__ = ["ARCHITECTURES", "Layout", "layout_of"]

ARCHITECTURES = ("llama", "qwen2")
"""`model_type` and `general.architecture` at once: those whose export is proven against torch."""

_layer = re.compile(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)")
_parts = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_single = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One model's place in GGUF."""

    architecture: str
    config: Mapping[str, Any]

    @property
    def pairs(self) -> dict[str, int | float | str]:
        """Hyperparameters under their GGUF keys, without the architecture's prefix."""
        config = self.config
        head = self._head_width
        return {
            "block_count": config["num_hidden_layers"],
            "context_length": config["max_position_embeddings"],
            "embedding_length": config["hidden_size"],
            "feed_forward_length": config["intermediate_size"],
            "attention.head_count": config["num_attention_heads"],
            "attention.head_count_kv": self._key_heads,
            "attention.key_length": head,
            "attention.value_length": head,
            "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
            "vocab_size": config["vocab_size"],
            "rope.dimension_count": head,
            "rope.freq_base": float(self._rope["rope_theta"]),
            **self._rope_scaling,
        }

    def name(self, source: str) -> str | None:
        """The GGUF name of a tensor; None for one that GGUF does not store (a head tied to the embedding).

        Raises:
            ModelError: the tensor has no place in this architecture.
        """
        if source == "lm_head.weight" and self.config.get("tie_word_embeddings"):
            return None
        if source in _single:
            return _single[source]
        match = _layer.fullmatch(source)
        if match is None or match[2] not in _parts:
            raise ModelError("compress.unknown_tensor", name=source, architecture=self.architecture)
        return f"blk.{match[1]}.{_parts[match[2]]}.{match[3]}"

    def place(self, name: str, tensor: Array) -> Array:
        """The values of a tensor as GGUF orders them.

        llama.cpp rotates neighbouring pairs in the llama architecture, where transformers rotates halves: rows of the
        query and key projections are interleaved, head by head. In qwen2 both rotate halves.
        """
        part = name.partition(".attn_")[2].partition(".")[0]
        if self.architecture != "llama" or part not in ("q", "k"):
            return tensor
        heads = self.config["num_attention_heads"] if part == "q" else self._key_heads
        halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(tensor.shape))

    def computed(self) -> dict[str, Array]:
        """Tensors that no checkpoint holds: for Llama 3.1's rotary scaling, what divides each frequency."""
        if self._rope["rope_type"] != "llama3":
            return {}
        rope, width = self._rope, self._head_width
        waves = 2 * math.pi * rope["rope_theta"] ** (np.arange(0, width, 2, dtype=np.float64) / width)
        # transformers' `llama3` rule: long waves are stretched by `factor`, short ones kept, those between blended.
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        smooth = (rope["original_max_position_embeddings"] / waves - low) / (high - low)
        divisor = 1 / ((1 - np.clip(smooth, 0, 1)) / rope["factor"] + np.clip(smooth, 0, 1))
        return {"rope_freqs.weight": divisor.astype(np.float32)}

    @property
    def _head_width(self) -> int:
        return int(self.config.get("head_dim") or self.config["hidden_size"] // self.config["num_attention_heads"])

    @property
    def _key_heads(self) -> int:
        return int(self.config.get("num_key_value_heads") or self.config["num_attention_heads"])

    @property
    def _rope(self) -> dict[str, Any]:
        """transformers 5 writes `rope_parameters`; earlier versions `rope_theta` and `rope_scaling`."""
        config = self.config
        rope = {"rope_theta": config.get("rope_theta", 10_000.0), **(config.get("rope_scaling") or {})}
        rope |= config.get("rope_parameters") or {}
        return {**rope, "rope_type": rope.get("rope_type") or rope.get("type") or "default"}

    @property
    def _rope_scaling(self) -> dict[str, int | float | str]:
        rope = self._rope
        match rope["rope_type"]:
            case "default" | "llama3":
                return {}
            case "linear":
                return {"rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}
            case other:
                raise ModelError("compress.unknown_rope", kind=other)


def layout_of(config: Mapping[str, Any]) -> Layout:
    """The layout for a config.json.

    Raises:
        ModelError: the architecture, or something in it, has no export that we have proven.
    """
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        raise ModelError("compress.unknown_architecture", kind=kind, known=", ".join(ARCHITECTURES))
    if config.get("use_sliding_window"):
        raise ModelError("compress.sliding_window")
    return Layout(architecture=kind, config=config)
