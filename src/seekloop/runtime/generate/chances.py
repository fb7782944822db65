"""Log-probabilities out of logits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seekloop.runtime.generate.backend import Chance

__all__ = ["chance_of", "likeliest"]


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


def likeliest(logits: Tensor, *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
    """The likeliest of the allowed ids with their log-probabilities, likeliest first.

    Args:
        logits: [vocabulary], where they would stand.
        allowed: a bit an id, the lowest bit of the first byte being id 0.
        most: how many at most.
    """
    logprobs = torch.log_softmax(logits.float().cpu(), dim=-1)
    bits = np.unpackbits(np.frombuffer(allowed, np.uint8), count=len(logprobs), bitorder="little")
    values, ids = logprobs.masked_fill(torch.from_numpy(bits == 0), -torch.inf).topk(min(most, int(bits.sum())))
    return tuple(zip(ids.tolist(), values.tolist(), strict=True))
