"""Layers over rows that lie end to end: no padding, each weight in one product, attention row by row.

Where a pass is a few layers only, what every micro-batch costs anew (the head is read, gradients of all weights are
written and added) is as much as what its tokens cost; so all rows of a worker go through as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, rotate_half
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer

__all__ = ["Rows", "can_lie", "through"]

_known = (LlamaDecoderLayer, Qwen2DecoderLayer)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A prefix that all rows share, once, then the rest of each row."""

    prefix: int
    """Its tokens."""
    lengths: tuple[int, ...]
    """Tokens of the rest of each row."""

    @property
    def begins(self) -> list[int]:
        """Where the rest of each row begins."""
        return [self.prefix + sum(self.lengths[:index]) for index in range(len(self.lengths))]

    def positions(self) -> Tensor:
        """[tokens]: each token's place in its own row."""
        own = [torch.arange(self.prefix, self.prefix + length) for length in self.lengths]
        return torch.cat((torch.arange(self.prefix), *own))


def can_lie(layers: Sequence[nn.Module]) -> bool:
    """Whether these layers are known to be norm, attention, norm, MLP, and keep what they compute."""
    return all(isinstance(layer, _known) and not layer.gradient_checkpointing for layer in layers)


def through(
    layers: Sequence[Any], hidden: Tensor, *, rows: Rows, rotary: nn.Module, wanted: Sequence[Tensor]
) -> Tensor:
    """What the layers make of the wanted positions.

    Args:
        layers: for which `can_lie` holds.
        hidden: [tokens, hidden], as `rows` says.
        rows: how they lie.
        rotary: gives cosine and sine of positions.
        wanted: of each row the places in its rest, ascending. The last layer gives others keys and values only.

    Returns:
        [wanted positions, hidden], row by row.
    """
    begins = rows.begins
    places = torch.cat([begin + own for begin, own in zip(begins, wanted, strict=True)])
    if not layers:
        return hidden[places]
    turn = tuple(part[0] for part in rotary(hidden, position_ids=rows.positions()[None]))
    for layer in layers[:-1]:
        hidden = _layer(layer, hidden, rows=rows, turn=turn, wanted=None, places=None)
    return _layer(layers[-1], hidden, rows=rows, turn=turn, wanted=wanted, places=places)


def _layer(
    layer: Any,
    hidden: Tensor,
    *,
    rows: Rows,
    turn: tuple[Tensor, ...],
    wanted: Sequence[Tensor] | None,
    places: Tensor | None,
) -> Tensor:
    attention, normed = layer.self_attn, layer.input_layernorm(hidden)

    def heads(states: Tensor) -> Tensor:
        return states.view(1, len(states), -1, attention.head_dim).transpose(1, 2)

    cosine, sine = turn
    key, value = _turned(heads(attention.k_proj(normed)), cosine=cosine, sine=sine), heads(attention.v_proj(normed))
    if places is not None:
        hidden, normed, cosine, sine = hidden[places], normed[places], cosine[places], sine[places]
    query = _turned(heads(attention.q_proj(normed)), cosine=cosine, sine=sine)
    attended = _attended(query, key=key, value=value, rows=rows, wanted=wanted, scale=attention.scaling)
    hidden = hidden + attention.o_proj(attended)
    result: Tensor = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return result


def _attended(
    query: Tensor, *, key: Tensor, value: Tensor, rows: Rows, wanted: Sequence[Tensor] | None, scale: float
) -> Tensor:
    """[1, heads, n, head] each -> [queries, heads * head]: every row attends to the prefix and to itself."""
    prefix, found, at = rows.prefix, [], 0
    longest = max(rows.lengths)
    seen = torch.zeros(longest, prefix + longest).masked_fill_(
        torch.ones(longest, prefix + longest, dtype=torch.bool).triu_(prefix + 1), float("-inf")
    )
    if wanted is None and prefix:
        first, keys, values = (part[:, :, :prefix] for part in (query, key, value))
        found.append(scaled_dot_product_attention(first, keys, values, is_causal=True, scale=scale, enable_gqa=True))
        at = prefix
    for index, (begin, length) in enumerate(zip(rows.begins, rows.lengths, strict=True)):
        asked = length if wanted is None else len(wanted[index])
        if not asked:
            continue
        mask = seen[:length, : prefix + length] if wanted is None else seen[wanted[index], : prefix + length]
        keys, values = (
            torch.cat((part[:, :, :prefix], part[:, :, begin : begin + length]), 2) for part in (key, value)
        )
        own = query[:, :, at : at + asked]
        found.append(scaled_dot_product_attention(own, keys, values, mask, scale=scale, enable_gqa=True))
        at += asked
    return torch.cat(found, 2)[0].transpose(0, 1).flatten(1)


def _turned(states: Tensor, *, cosine: Tensor, sine: Tensor) -> Tensor:
    """The rotary embedding of [1, heads, tokens, head] (Su et al. 2021)."""
    turned: Tensor = states * cosine + rotate_half(states) * sine
    return turned
