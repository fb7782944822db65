"""The layers of a model, counted from its config.json alone: no weights, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seekloop.system.errors import ModelError

__all__ = ["Linear", "Shape", "shape_of"]


@dataclass(frozen=True, kw_only=True)
class Linear:
    """A linear layer and how often the model has it."""

    name: str
    """Last part of its module name: `q_proj`."""
    inputs: int
    outputs: int
    count: int
    inside: str
    """Part of the decoder layer that holds it: `self_attn`, `mlp`."""
    first: int = 0
    """Number of the first decoder layer that has it; all later ones do, or as many as `count` says."""
    each: int = 1
    """How many a decoder layer has of it."""
    bias: bool = False
    expert: bool = False
    """One of many routed experts: a part of one fused weight in transformers, so no adapter goes on it."""
    used: float = 1.0
    """Share of the layers of this name that one token passes through."""

    @property
    def parameters(self) -> int:
        """Weights of all of them."""
        return self.count * self.weights

    @property
    def weights(self) -> int:
        """Weights of one."""
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)

    @property
    def layers(self) -> range:
        """Numbers of the decoder layers that have it."""
        return range(self.first, self.first + self.count // self.each)

    @property
    def names(self) -> tuple[str, ...]:
        """Its module names, one for each decoder layer that has it."""
        return tuple(f"model.layers.{layer}.{self.inside}.{self.name}" for layer in self.layers)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the arithmetic needs to know about a model."""

    vocab: int
    hidden: int
    layers: int
    tied: bool
    """The head is the embedding table."""
    linears: tuple[Linear, ...]
    """All but the head and the router."""
    norms: int
    """Weights of the norms of one decoder layer."""
    routers: int
    """Weights of all routers of experts."""
    cached: int
    """Numbers that attention caches of a token in one layer: keys and values, or a latent and the rotated keys."""
    attention: int
    """Numbers that attention keeps for a token of one layer until the backward pass: queries, keys, values, output."""
    heads_width: int
    """Query width plus value width of all heads: the cost of one attention score and its use, in multiply-adds."""
    feed_forward: float
    """Width of the feed-forward block that one token passes through, averaged over the layers."""
    routed: float = 0.0
    """Numbers of one token that go to its experts and come back, averaged over the layers."""

    @property
    def others(self) -> int:
        """Weights of norms and routers."""
        return self.norms * self.layers + self.hidden + self.routers


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape of the model that `config` describes.

    Raises:
        ModelError: the architecture is not known here, or the config lacks a size.
    """
    kind = str(config.get("model_type", ""))
    if kind not in _shapes:
        raise ModelError("model.unknown_architecture", kind=kind or "no model_type", known=", ".join(_shapes))
    try:
        return _shapes[kind](config)
    except KeyError as error:
        raise ModelError("model.config_lacks", key=error.args[0]) from error


def _dense(config: Mapping[str, Any], *, qkv_bias: bool, output_bias: bool) -> Shape:
    """Llama and Qwen2: grouped-query attention, gated feed-forward, an RMS norm before each (Touvron et al. 2023)."""
    hidden, layers, heads = config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"]
    width = config.get("head_dim") or hidden // heads
    queries, keys = heads * width, (config.get("num_key_value_heads") or heads) * width
    mlp = _mlp(hidden, config["intermediate_size"], count=layers, bias=bool(config.get("mlp_bias")))
    attention = (
        Linear(name="q_proj", inputs=hidden, outputs=queries, count=layers, inside="self_attn", bias=qkv_bias),
        Linear(name="k_proj", inputs=hidden, outputs=keys, count=layers, inside="self_attn", bias=qkv_bias),
        Linear(name="v_proj", inputs=hidden, outputs=keys, count=layers, inside="self_attn", bias=qkv_bias),
        Linear(name="o_proj", inputs=queries, outputs=hidden, count=layers, inside="self_attn", bias=output_bias),
    )
    return Shape(
        vocab=config["vocab_size"],
        hidden=hidden,
        layers=layers,
        tied=bool(config.get("tie_word_embeddings")),
        linears=(*attention, *mlp),
        norms=2 * hidden,
        routers=0,
        cached=2 * keys,
        attention=2 * queries + 2 * keys,
        heads_width=2 * queries,
        feed_forward=config["intermediate_size"],
    )


def _llama(config: Mapping[str, Any]) -> Shape:
    bias = bool(config.get("attention_bias"))
    return _dense(config, qkv_bias=bias, output_bias=bias)


def _qwen2(config: Mapping[str, Any]) -> Shape:
    return _dense(config, qkv_bias=True, output_bias=False)


def _mla(config: Mapping[str, Any]) -> Shape:
    """DeepSeek V2 and V3: latent attention (MLA), and experts in all layers but the first (DeepSeek-AI 2024)."""
    hidden, layers, heads = config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"]
    rope, value = config["qk_rope_head_dim"], config["v_head_dim"]
    query, latent = config["qk_nope_head_dim"] + rope, config["kv_lora_rank"]
    rank, bias = config.get("q_lora_rank"), bool(config.get("attention_bias"))
    queries: tuple[Linear, ...] = (
        Linear(name="q_proj", inputs=hidden, outputs=heads * query, count=layers, inside="self_attn"),
    )
    if rank:
        queries = (
            Linear(name="q_a_proj", inputs=hidden, outputs=rank, count=layers, inside="self_attn", bias=bias),
            Linear(name="q_b_proj", inputs=rank, outputs=heads * query, count=layers, inside="self_attn"),
        )
    inner = heads * (query - rope + value)
    attention = (
        *queries,
        Linear(
            name="kv_a_proj_with_mqa", inputs=hidden, outputs=latent + rope, count=layers, inside="self_attn", bias=bias
        ),
        Linear(name="kv_b_proj", inputs=latent, outputs=inner, count=layers, inside="self_attn"),
        Linear(name="o_proj", inputs=heads * value, outputs=hidden, count=layers, inside="self_attn", bias=bias),
    )
    dense = min(config.get("first_k_dense_replace", 0), layers)
    sparse, routed, width = layers - dense, config["n_routed_experts"], config["moe_intermediate_size"]
    chosen = config["num_experts_per_tok"]
    shared = width * (config.get("n_shared_experts") or 0)
    mlp = (
        *_mlp(hidden, config["intermediate_size"], count=dense),
        *_mlp(hidden, shared, count=sparse, inside="mlp.shared_experts", first=dense),
        *_experts(hidden, width, layers=range(dense, layers), routed=routed, used=chosen / routed),
    )
    return Shape(
        vocab=config["vocab_size"],
        hidden=hidden,
        layers=layers,
        tied=bool(config.get("tie_word_embeddings")),
        linears=tuple(linear for linear in (*attention, *mlp) if linear.count and linear.outputs and linear.inputs),
        norms=2 * hidden + latent + (rank or 0),
        routers=sparse * routed * hidden,
        cached=latent + rope,
        attention=2 * heads * (query + value) + latent + rope + (rank or 0),
        heads_width=heads * (query + value),
        feed_forward=(dense * config["intermediate_size"] + sparse * (shared + chosen * width)) / layers,
        routed=2 * chosen * hidden * sparse / layers,
    )


def _mlp(
    hidden: int, width: int, *, count: int, bias: bool = False, inside: str = "mlp", first: int = 0
) -> tuple[Linear, ...]:
    sizes = (("gate_proj", hidden, width), ("up_proj", hidden, width), ("down_proj", width, hidden))
    return tuple(
        Linear(name=name, inputs=inputs, outputs=outputs, count=count, inside=inside, first=first, bias=bias)
        for name, inputs, outputs in sizes
    )


def _experts(hidden: int, width: int, *, layers: range, routed: int, used: float) -> tuple[Linear, ...]:
    """The feed-forward blocks of so many experts in each of `layers`."""
    blocks = _mlp(hidden, width, count=len(layers) * routed, inside="mlp.experts", first=layers.start)
    return tuple(replace(one, each=routed, expert=True, used=used) for one in blocks)


_shapes: dict[str, Callable[[Mapping[str, Any]], Shape]] = {
    "llama": _llama,
    "qwen2": _qwen2,
    "deepseek_v2": _mla,
    "deepseek_v3": _mla,
}
