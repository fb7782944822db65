"""Evidence of a gain on the same rows that may be looked at after every batch: bets on who is right next.

Whoever bets a share of their money, row by row, that the first model is right more often than the second, has no more
on average than they began with while it is not: their money is a martingale, and the chance that it ever reaches
1 / delta is at most delta (Ville 1939). The money of a mixture of such bets is the evidence (Waudby-Smith and Ramdas
2024, "Estimating means of bounded random variables by betting", JRSS B 86); of rows that are won, tied or lost it is a
function of their counts alone, so batches, their sizes and their order change nothing. Without a margin ties do not
count, and it is the sequential form of McNemar's test. All functions take arrays, too: bench `learn_gates`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["evidence_gain", "least_gain"]

Floats = NDArray[np.float64]

_bets = np.array([0.05, 0.1, 0.2, 0.4, 0.8])
"""Shares of the highest bet. Each is the best for some gain, and between two of them at most a ninth is lost."""
_halvings = 50


def evidence_gain(won: ArrayLike, lost: ArrayLike, *, tied: ArrayLike, margin: ArrayLike = 0.0) -> Floats:
    """ln of the evidence that the first is right more often than the second, less `margin`.

    The hypothesis that it speaks against is E(first - second) <= -margin. Reject at ln(1 / delta), whenever.
    With bets b: ln mean over b of (1 + b (1 + m))^won (1 + b m)^tied (1 - b (1 - m))^lost, b from 0 to 1 / (1 - m).

    Args:
        won: rows that only the first got right; shape (…).
        lost: rows that only the second got right.
        tied: rows that both got right, or neither.
        margin: between -1 and 1; above 0 a loss below it counts as no loss. Broadcasts with the counts.

    Returns:
        Shape of the arguments together.

    Raises:
        ValueError: a count below 0, or a margin out of its range.
    """
    counts = np.broadcast_arrays(*(np.asarray(one, dtype=np.float64) for one in (won, tied, lost, margin)))
    if min(float(one.min(initial=0)) for one in counts[:3]) < 0 or float(np.abs(counts[3]).max(initial=0)) >= 1:
        raise ValueError("a count below 0, or a margin not between -1 and 1")
    w, t, lo, m = (one[..., None] for one in counts)
    bet = _bets / (1 - m)
    money = w * np.log1p(bet * (1 + m)) + t * np.log1p(bet * m) + lo * np.log1p(-bet * (1 - m))
    top = money.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(money - top).mean(axis=-1)))


def least_gain(won: float, lost: float, *, tied: float, delta: float = 0.05) -> float:
    """Lower end of a one-sided confidence sequence for E(first - second): at all times at once with 1 - delta.

    The largest d against which the evidence, "not above d", has reached ln(1 / delta); -1 where there is none.

    Raises:
        ValueError: a count below 0, or delta not between 0 and 1.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta {delta}")
    needed, low, high = math.log(1 / delta), -1.0, 1.0
    for _ in range(_halvings):
        middle = (low + high) / 2
        shown = float(evidence_gain(won, lost, tied=tied, margin=-middle)) >= needed
        low, high = (middle, high) if shown else (low, middle)
    return low
