"""Log-probabilities out of logits."""

from __future__ import annotations

import torch
from torch import Tensor

from seekloop.runtime.generate.backend import Chance

__all__ = ["chance_of"]


def chance_of(id_: int, logits: Tensor, *, top: int) -> Chance:
    """What a model gave an id.

    Args:
        id_: the id.
        logits: [vocabulary], where it stands.
        top: how many of the likeliest ids are told with it.
    """
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    values, ids = logprobs.topk(min(top, len(logprobs)))
    return Chance(float(logprobs[id_]), tuple(zip(ids.tolist(), values.tolist(), strict=True)))
