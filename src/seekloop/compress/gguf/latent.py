"""DeepSeek V2 and V3 in GGUF: latent attention, a few dense layers, then routed and shared experts.

llama.cpp computes attention in the latent space: keys are not made from it, the query goes into it. So the matrix that
makes keys and values of it is stored in two, head by head, the keys' part transposed. Grouped keys become one head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from seekloop.compress.gguf.dense import FEED_FORWARD, common_pairs, named
from seekloop.compress.gguf.layout import Pairs, Piece, Shapes, Target, copied, expert_of, stacked
from seekloop.compress.gguf.rope import rope_of, rope_pairs
from seekloop.compress.weights import Array
from seekloop.system.errors import ModelError

__all__ = ["LITE_DEPTHS", "Latent"]

_softmax, _sigmoid = 1, 2
"""llama.cpp's numbers for what makes weights of a router's sums."""
_parts = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.q_a_proj": "attn_q_a",
    "self_attn.q_a_layernorm": "attn_q_a_norm",
    "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    **FEED_FORWARD,
    "mlp.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
    "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
}
_both = ".self_attn.kv_b_proj.weight"
_correction = ".mlp.gate.e_score_correction_bias"
LITE_DEPTHS = (26, 27)
"""Layers of the models that llama.cpp opens without them: it tells V2-Lite by its depth."""


@dataclass(frozen=True, kw_only=True)
class Latent:
    """The deepseek2 architecture."""

    config: Mapping[str, Any]
    architecture: str = "deepseek2"

    @property
    def pairs(self) -> Pairs:
        """As `Layout.pairs`."""
        config = self.config
        rank, rotated, plain = (config[key] for key in ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim"))
        low = {"attention.q_lora_rank": config["q_lora_rank"]} if config.get("q_lora_rank") else {}
        return {
            **common_pairs(config),
            "attention.head_count_kv": 1,
            "attention.key_length": rank + rotated,
            "attention.value_length": rank,
            "attention.key_length_mla": plain + rotated,
            "attention.value_length_mla": config["v_head_dim"],
            **low,
            "attention.kv_lora_rank": rank,
            **rope_pairs(config, width=rotated),
            **self._stretch,
            **self._experts,
        }

    def targets(self, shapes: Shapes) -> list[Target]:
        """As `Layout.targets`."""
        found = stacked(shapes)
        for source in shapes:
            layer = source.split(".")[2] if source.startswith("model.layers.") else ""
            if expert_of(source) or (source == "lm_head.weight" and self.config.get("tie_word_embeddings")):
                continue
            if source.endswith(_both):
                found += self._split(source, shapes, layer=layer)
            elif source.endswith(_correction):
                found.append(copied(f"blk.{layer}.exp_probs_b.bias", source, shapes=shapes))
            elif source.endswith(".bias"):
                raise ModelError("compress.unknown_tensor", name=source, architecture=self.architecture)
            else:
                found.append(copied(named(source, _parts, architecture=self.architecture), source, shapes=shapes))
        return found

    def _split(self, source: str, shapes: Shapes, *, layer: str) -> list[Target]:
        heads, plain, value = (self.config[key] for key in ("num_attention_heads", "qk_nope_head_dim", "v_head_dim"))
        rank = shapes[source][1]
        parts = {
            "attn_k_b": ((heads, rank, plain), partial(_keys, heads=heads, plain=plain), False),
            "attn_v_b": ((heads, value, rank), partial(_values, heads=heads, plain=plain), True),
        }
        return [
            Target(
                name=f"blk.{layer}.{name}.weight",
                shape=shape,
                pieces=(Piece(source=source, shape=shape, take=take, keeps_columns=keeps),),
            )
            for name, (shape, take, keeps) in parts.items()
        ]

    @property
    def _stretch(self) -> Pairs:
        """llama.cpp reads a tenth of the factor for attention here, unlike in its other architectures."""
        every = rope_of(self.config).get("mscale_all_dim")
        return {"rope.scaling.yarn_log_multiplier": 0.1 * float(every)} if every else {}

    @property
    def _experts(self) -> Pairs:
        config = self.config
        is_third = config["model_type"] == "deepseek_v3"
        groups = {"expert_group_count": config["n_group"], "expert_group_used_count": config["topk_group"]}
        return {
            "leading_dense_block_count": config["first_k_dense_replace"],
            "expert_count": config["n_routed_experts"],
            "expert_used_count": config["num_experts_per_tok"],
            "expert_shared_count": config["n_shared_experts"],
            "expert_feed_forward_length": config["moe_intermediate_size"],
            "expert_weights_scale": float(config["routed_scaling_factor"]),
            # transformers' V2 never sets weights to the sum of one, whatever its configuration says.
            "expert_weights_norm": bool(config.get("norm_topk_prob")) and is_third,
            "expert_gating_func": _sigmoid if is_third else _softmax,
            **(groups if is_third and (config.get("n_group") or 1) > 1 else {}),
        }


def _keys(tensor: Array, *, heads: int, plain: int) -> Array:
    """[heads (plain + value), rank] -> [heads, rank, plain]."""
    return np.ascontiguousarray(tensor.reshape(heads, -1, tensor.shape[-1])[:, :plain].swapaxes(1, 2))


def _values(tensor: Array, *, heads: int, plain: int) -> Array:
    """[heads (plain + value), rank] -> [heads, value, rank]."""
    return np.ascontiguousarray(tensor.reshape(heads, -1, tensor.shape[-1])[:, plain:])
