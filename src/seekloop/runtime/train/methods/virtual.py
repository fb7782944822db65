"""Virtual tokens: a decoder whose sequences all begin with keys and values that no text was read for.

Prefix tuning trains those keys and values, prompt tuning the embeddings that they are computed from. Both stand before
every row, so they never depend on it: one set serves a whole micro-batch, and no cache of a sequence holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.utils import ModelOutput

__all__ = ["States", "Virtual", "VirtualDecoder", "attach", "attached", "states_of"]

States = Sequence[tuple[Tensor, Tensor]]
"""Of each layer, what attention caches of the virtual tokens: [1, heads, tokens, width] twice. That is keys and values,
or with latent attention (DeepSeek-V2, V3) the latent and the rotated part of the keys."""


class Virtual(nn.Module):
    """What a `VirtualDecoder` puts before its sequences."""

    @property
    def tokens(self) -> int:
        """How many virtual tokens."""
        raise NotImplementedError

    def forward(self, decoder: nn.Module) -> States:
        """Their states in the layers of `decoder`."""
        raise NotImplementedError


class _Joined:
    """What a decoder takes for its cache: the virtual states, then those of the sequence itself."""

    def __init__(self, own: Any, states: States) -> None:
        self._own, self._states = own, states

    def update(self, first: Tensor, second: Tensor, *args: Any, **rest: Any) -> tuple[Tensor, Tensor]:
        """Keep [rows, heads, new, width] in the sequence's own cache, if it has one; return all that attention sees."""
        if self._own is not None:
            first, second = self._own.update(first, second, *args, **rest)
        layer = args[0]
        before = (part.expand(first.shape[0], -1, -1, -1) for part in self._states[layer])
        return torch.cat((next(before), first), 2), torch.cat((next(before), second), 2)


class VirtualDecoder(nn.Module):
    """Takes the place of a model's decoder. Positions of the sequence begin behind the virtual tokens, as in PEFT.

    Args:
        decoder: whose parameters stay as they are.
        virtual: what stands before every sequence.
    """

    def __init__(self, decoder: nn.Module, virtual: Virtual) -> None:
        super().__init__()
        self.frozen = decoder
        self.virtual = virtual

    def get_decoder(self) -> nn.Module:
        """Itself: to the model it is the decoder."""
        return self

    def get_input_embeddings(self) -> nn.Module:
        """Those of the decoder inside."""
        return self.frozen.get_input_embeddings()

    def forward(
        self,
        input_ids: Tensor | None = None,
        *,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        **rest: Any,
    ) -> ModelOutput:
        """As a transformers decoder; mask, positions and cache are those of the sequence without virtual tokens."""
        given = inputs_embeds if input_ids is None else input_ids
        if given is None:
            raise ValueError("a decoder needs ids or embeddings")
        count, new = self.virtual.tokens, given.shape[1]
        own = DynamicCache() if past_key_values is None and use_cache else past_key_values
        seen = own.get_seq_length() if own is not None else 0
        if position_ids is None:
            position_ids = torch.arange(seen, seen + new, device=given.device)[None]
        dtype = self.frozen.get_input_embeddings().weight.dtype
        result = self.frozen(
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            attention_mask=_mask(attention_mask, virtual=count, seen=seen, new=new, dtype=dtype),
            position_ids=position_ids + count,
            past_key_values=_Joined(own, self.virtual(self.frozen)),
            use_cache=False,
            **rest,
        )
        result.past_key_values = own
        return result


def attach(model: nn.Module, virtual: Virtual) -> None:
    """Put `virtual` before every sequence of a causal language model; its context gets as much shorter."""
    decoder = model.get_decoder()
    (name,) = (name for name, part in model.named_children() if part is decoder)
    model.register_module(name, VirtualDecoder(decoder, virtual))
    model.config.max_position_embeddings -= virtual.tokens


def attached(model: nn.Module) -> Virtual | None:
    """What stands before the sequences of `model`; None: nothing."""
    decoder = model.get_decoder()
    return decoder.virtual if isinstance(decoder, VirtualDecoder) else None


def states_of(decoder: nn.Module, *, ids: Tensor | None = None, embeddings: Tensor | None = None) -> States:
    """What the layers of `decoder` cache of one sequence at its beginning: `ids` [1, n] or `embeddings` [1, n, hidden].

    With a graph where gradients are enabled.
    """
    cache = DynamicCache()
    decoder(input_ids=ids, inputs_embeds=embeddings, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]


def _mask(given: Tensor | None, *, virtual: int, seen: int, new: int, dtype: torch.dtype) -> Tensor:
    """[rows or 1, 1, new, virtual + seen + new], added to scores: virtual tokens are seen by all.

    `given` is None (causal), [rows, seen + new] with 0 at what nobody sees, or [rows, 1, new, keys], added or Boolean.
    """
    if given is not None and given.dim() == 4:
        if given.dtype is not torch.bool:
            return torch.cat((given.new_zeros(*given.shape[:3], virtual), given), 3)
        visible = given
    else:
        visible = torch.ones(1, 1, new, seen + new, dtype=torch.bool).tril(seen)
        if given is not None:
            visible = visible & given.bool()[:, None, None, :]
    mask = torch.zeros(*visible.shape[:3], virtual + visible.shape[3], dtype=dtype)
    mask[..., virtual:].masked_fill_(~visible, torch.finfo(dtype).min)
    return mask
