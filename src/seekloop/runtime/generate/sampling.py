"""The next token of a row: the likeliest, or drawn with a temperature from the nucleus, by the row's own seed."""

from __future__ import annotations

import torch
from torch import Tensor

from seekloop.runtime.generate.backend import Prompt

__all__ = ["Sampler"]


class Sampler:
    """Draws the tokens of one answer. What it draws depends on the prompt's seed and logits, never on the batch."""

    def __init__(self, prompt: Prompt) -> None:
        self._temperature = prompt.temperature
        self._top_p = prompt.top_p
        self._random = torch.Generator().manual_seed(prompt.seed)

    def next(self, logits: Tensor) -> int:
        """The next token id.

        Args:
            logits: [vocabulary], of any float type, on any device.
        """
        if self._temperature <= 0:
            return int(logits.argmax())
        shares = torch.softmax(logits.float().cpu() / self._temperature, dim=-1)
        if self._top_p < 1:
            shares = _nucleus(shares, self._top_p)
        return int(torch.multinomial(shares, 1, generator=self._random))


def _nucleus(shares: Tensor, top_p: float) -> Tensor:
    """`shares` without the tail: the fewest likeliest tokens that hold `top_p` together (Holtzman et al. 2020)."""
    ordered, order = shares.sort(descending=True)
    before = ordered.cumsum(-1) - ordered
    return shares.index_fill(0, order[before >= top_p], 0.0)
