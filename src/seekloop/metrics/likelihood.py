"""Perplexity and bits per byte from sums of log-probabilities, and the windows that a long text is read in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Window", "bits_per_byte", "perplexity", "windows"]


class Window(NamedTuple):
    """Tokens `begin` to `end` go through the model together; those from `scored` on are counted."""

    begin: int
    end: int
    scored: int


def perplexity(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-log-likelihood / tokens) of counts of shape (..., 2): summed -log p (nats), and how many tokens."""
    return np.asarray(np.exp(_share(counts)))


def bits_per_byte(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """-log2-likelihood / bytes of counts of shape (..., 2): summed -log p (nats), and how many UTF-8 bytes.

    Other than perplexity it can be compared between models of different vocabularies (Gao et al. 2020, "The Pile",
    section 3.1).
    """
    return _share(counts) / math.log(2)


def windows(length: int, *, context: int, stride: int) -> Iterator[Window]:
    """How a text longer than the context is read: every token is scored once, with up to `context` tokens before it.

    Each window begins `stride` tokens after the last and scores only what that one had not reached, so a token has at
    least `context - stride` tokens of its past in view, and the sum is what the Hugging Face recipe for fixed-length
    models gives, if means are weighted by tokens. The first token of a text has no past and is never scored.

    Raises:
        ValueError: a stride that is 0 or longer than the context.
    """
    if not 0 < stride <= context:
        raise ValueError(f"stride {stride} in a context of {context}")
    reached = 1
    for begin in range(0, max(length, 1), stride):
        end = min(begin + context, length)
        # What the window before reached is counted there; a window's own first token has no past in it.
        scored = max(reached, begin + 1)
        if scored < end:
            yield Window(begin, end, scored)
        reached = max(reached, end)
        if end == length:
            return


def _share(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    total = counts[..., 1]
    return np.asarray(np.divide(counts[..., 0], total, out=np.full(total.shape, np.nan), where=total > 0))
