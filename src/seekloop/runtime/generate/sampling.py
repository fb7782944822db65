"""The next token of a row: the likeliest, or drawn with a temperature from the nucleus, by the row's own seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.greenlist import GreenList

__all__ = ["Sampler"]


class Sampler:
    """Draws the tokens of one answer. What it draws depends on the prompt's seed and logits, never on the batch."""

    def __init__(self, prompt: Prompt) -> None:
        self._temperature = prompt.temperature
        self._top_p = prompt.top_p
        self._random = torch.Generator().manual_seed(prompt.seed)
        self._presence, self._frequency, self._bias = prompt.presence, prompt.frequency, dict(prompt.bias)
        self._said: Counter[int] = Counter()
        self._mark = prompt.mark
        self._before = prompt.ids[-1] if prompt.ids else 0

    def next(self, logits: Tensor) -> int:
        """The next token id.

        Args:
            logits: [vocabulary], of any float type, on any device.
        """
        logits = self._shifted(logits)
        if self._mark is not None:
            logits = self._raised(logits, self._mark)
        self._before = self._drawn(logits)
        self._said[self._before] += 1
        return self._before

    def _shifted(self, logits: Tensor) -> Tensor:
        """`logits` less presence and frequency penalties on what was said, and with the biases (OpenAI's formula)."""
        shifts = dict(self._bias)
        if self._presence or self._frequency:
            for id_, times in self._said.items():
                shifts[id_] = shifts.get(id_, 0.0) - self._presence - times * self._frequency
        if not shifts:
            return logits
        ids = torch.tensor(list(shifts), device=logits.device)
        return logits.float().index_add(0, ids, torch.tensor(list(shifts.values()), device=logits.device))

    def _drawn(self, logits: Tensor) -> int:
        if self._temperature <= 0:
            return int(logits.argmax())
        shares = torch.softmax(logits.float().cpu() / self._temperature, dim=-1)
        if self._top_p < 1:
            shares = _nucleus(shares, self._top_p)
        return int(torch.multinomial(shares, 1, generator=self._random))

    def _raised(self, logits: Tensor, mark: GreenList) -> Tensor:
        """The logits with those of green tokens raised."""
        green = mark.green(self._before, np.arange(logits.shape[-1]))
        return logits.float() + mark.delta * torch.from_numpy(green).to(logits.device)


def _nucleus(shares: Tensor, top_p: float) -> Tensor:
    """`shares` without the tail: the fewest likeliest tokens that hold `top_p` together (Holtzman et al. 2020)."""
    ordered, order = shares.sort(descending=True)
    before = ordered.cumsum(-1) - ordered
    return shares.index_fill(0, order[before >= top_p], 0.0)
