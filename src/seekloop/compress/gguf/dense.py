"""The llama and qwen families in GGUF: one attention, and a feed-forward part or experts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from seekloop.compress.gguf.layout import Pairs, Shapes, Target, as_it_is, copied, expert_of, key_heads, stacked
from seekloop.compress.gguf.rope import rope_pairs, rope_targets
from seekloop.compress.weights import Array
from seekloop.system.errors import ModelError

__all__ = ["ATTENTION", "FEED_FORWARD", "TABLES", "Dense", "common_pairs", "named", "routed"]

TABLES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
ATTENTION = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
}
FEED_FORWARD = {"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
_head_norms = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
_shared = {
    "mlp.gate": "ffn_gate_inp",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp",
    "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
}
_parts = {
    "llama": ATTENTION | FEED_FORWARD,
    "qwen2": ATTENTION | FEED_FORWARD,
    "qwen3": ATTENTION | FEED_FORWARD | _head_norms,
    "qwen2moe": ATTENTION | _shared,
    "qwen3moe": ATTENTION | _head_norms | {"mlp.gate": "ffn_gate_inp"},
}
"""`general.architecture` -> what a layer of it may have. Biases go the way of their weights."""
_biases = {"llama": ("q", "k", "v", "o", "gate", "up", "down"), "qwen2": ("q", "k", "v"), "qwen2moe": ("q", "k", "v")}
"""Of the projections, where llama.cpp reads one."""
_layer = re.compile(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)")


@dataclass(frozen=True, kw_only=True)
class Dense:
    """llama (and Mistral), qwen2, qwen3, and qwen's mixtures of experts."""

    architecture: str
    config: Mapping[str, Any]

    @property
    def pairs(self) -> Pairs:
        """As `Layout.pairs`."""
        config, width = self.config, self._head_width
        return {
            **common_pairs(config),
            "attention.head_count_kv": key_heads(config),
            "attention.key_length": width,
            "attention.value_length": width,
            **rope_pairs(config, width=width),
            **(_expert_pairs(config) if self.architecture.endswith("moe") else {}),
        }

    def targets(self, shapes: Shapes) -> list[Target]:
        """As `Layout.targets`."""
        found = [*rope_targets(self.config, width=self._head_width), *stacked(shapes)]
        for source in shapes:
            if expert_of(source) or (source == "lm_head.weight" and self.config.get("tie_word_embeddings")):
                continue
            name = named(source, _parts[self.architecture], architecture=self.architecture)
            if source.endswith("proj.bias") and source.split(".")[-2].removesuffix("_proj") not in _biases.get(
                self.architecture, ()
            ):
                raise ModelError("compress.unknown_tensor", name=source, architecture=self.architecture)
            found.append(copied(name, source, shapes=shapes, take=self._order(name)))
        return found

    def _order(self, name: str) -> Callable[[Array], Array]:
        """How the rows of a tensor are put in GGUF's order.

        llama.cpp rotates neighbouring pairs in the llama architecture, where transformers rotates halves: rows of the
        query and key projections are interleaved, head by head. In qwen both rotate halves.
        """
        part = name.partition(".attn_")[2].partition(".")[0]
        if part == "" and name.endswith("ffn_gate_inp_shexp.weight"):
            return _flat
        if self.architecture != "llama" or part not in ("q", "k"):
            return as_it_is
        return partial(
            _interleaved, heads=self.config["num_attention_heads"] if part == "q" else key_heads(self.config)
        )

    @property
    def _head_width(self) -> int:
        return int(self.config.get("head_dim") or self.config["hidden_size"] // self.config["num_attention_heads"])


def common_pairs(config: Mapping[str, Any]) -> Pairs:
    """What every architecture has."""
    return {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "vocab_size": config["vocab_size"],
    }


def routed(config: Mapping[str, Any]) -> int:
    """Experts that a router chooses from; 0 where there is none."""
    names = ("num_experts", "num_local_experts", "n_routed_experts")
    return next((int(config[name]) for name in names if config.get(name)), 0)


def named(source: str, parts: Mapping[str, str], *, architecture: str) -> str:
    """The GGUF name of a tensor.

    Raises:
        ModelError: the tensor has no place in this architecture.
    """
    if source in TABLES:
        return TABLES[source]
    match = _layer.fullmatch(source)
    if match is None or match[2] not in parts:
        raise ModelError("compress.unknown_tensor", name=source, architecture=architecture)
    return f"blk.{match[1]}.{parts[match[2]]}.{match[3]}"


def _expert_pairs(config: Mapping[str, Any]) -> Pairs:
    shared = config.get("shared_expert_intermediate_size")
    return {
        "expert_count": routed(config),
        "expert_used_count": config["num_experts_per_tok"],
        "expert_feed_forward_length": config["moe_intermediate_size"],
        **({"expert_shared_feed_forward_length": shared} if shared else {}),
    }


def _interleaved(tensor: Array, *, heads: int) -> Array:
    halves = tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(tensor.shape))


def _flat(tensor: Array) -> Array:
    return tensor.reshape(-1)
