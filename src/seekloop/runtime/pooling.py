"""Texts as vectors: the mean of a model's last states over each text's own tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

__all__ = ["Ids", "Pooler", "mean_states", "pooled", "unit_vectors"]

Ids = Sequence[int]
Pooler = Callable[[Sequence[Ids]], Tensor]
"""Token ids of some texts -> [texts, hidden]."""
_together = 16


def mean_states(states: Tensor, mask: Tensor) -> Tensor:
    """[texts, hidden]: the mean of [texts, tokens, hidden] over the tokens whose mask [texts, tokens] is 1."""
    return (states * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def pooled(body: nn.Module, texts: Sequence[Ids], *, pad: int) -> Tensor:
    """[texts, hidden]: the mean of the last states of each text's own tokens.

    Args:
        body: a transformers model without its head.
        texts: token ids, each at least one.
        pad: id to fill the batch with; its states count nowhere.
    """
    length = max(len(ids) for ids in texts)
    ids = torch.tensor([[*one, *[pad] * (length - len(one))] for one in texts])
    mask = torch.tensor([[1] * len(one) + [0] * (length - len(one)) for one in texts])
    return mean_states(body(input_ids=ids, attention_mask=mask).last_hidden_state, mask)


def unit_vectors(texts: Sequence[Ids], pool: Pooler) -> Tensor:
    """Unit vectors in double precision, [texts, hidden], texts of like length together."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    rows: list[Tensor] = [torch.empty(0)] * len(texts)
    for begin in range(0, len(order), _together):
        places = order[begin : begin + _together]
        with torch.no_grad():
            some = nn.functional.normalize(pool([texts[place] for place in places]).double(), dim=1)
        for place, row in zip(places, some, strict=True):
            rows[place] = row
    return torch.stack(rows) if rows else torch.empty(0, 0)
