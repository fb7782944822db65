"""chrF, overlap of character n-grams, in sacrebleu's numbers, from counts a row: the same for every script.

Popović (2015), "chrF: character n-gram F-score for automatic MT evaluation", with beta = 2 and orders 1 to 6: precision
and recall are averaged over the orders that both sides have, then put together. Blanks do not count, case does.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

__all__ = ["COUNTS", "chrf", "chrf_counts"]

_order = 6
_beta = 2
COUNTS = 3 * _order
"""Length of what `chrf_counts` gives."""


def chrf_counts(reference: str, answer: str) -> tuple[int, ...]:
    """What one answer adds to a corpus: for each order n-grams given, wanted and shared, one after the other.

    N-grams given count only where the reference has some of the same order.
    """
    wanted, given = ("".join(text.split()) for text in (reference, answer))
    found: list[int] = []
    for n in range(1, _order + 1):
        left, right = _ngrams(wanted, n), _ngrams(given, n)
        found += [right.total() if left else 0, left.total(), (left & right).total()]
    return tuple(found)


def chrf(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """chrF, 0 to 100, of summed counts.

    Args:
        counts: shape (..., COUNTS), sums of what `chrf_counts` gives, weighted as one likes.

    Returns:
        Shape (...). 0 where nothing is shared.
    """
    given, wanted, shared = (counts[..., place::3] for place in range(3))
    there = (given > 0) & (wanted > 0)
    orders = np.maximum(there.sum(axis=-1), 1)
    precision, recall = (
        np.divide(shared, whole, out=np.zeros(shared.shape), where=there).sum(axis=-1) / orders
        for whole in (given, wanted)
    )
    top, bottom = (1 + _beta**2) * precision * recall, _beta**2 * precision + recall
    return np.asarray(100 * np.divide(top, bottom, out=np.zeros(top.shape), where=bottom > 0))


def _ngrams(text: str, n: int) -> Counter[str]:
    return Counter(text[at : at + n] for at in range(len(text) - n + 1))
