"""p-values of several questions asked at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: at most one in twenty families has a false one at or below 0.05.

    Holm (1979): of m sorted values the i-th becomes the largest of (m - j + 1) p_j over j <= i, at most 1. Needs no
    independence.

    Raises:
        ValueError: a value that is not from 0 to 1.
    """
    order, adjusted, largest = _order(p_values), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: of what is at or below 0.05, one in twenty is false on average.

    Benjamini and Hochberg (1995): of m sorted values the i-th becomes the smallest of m p_j / j over j >= i. For
    questions that are independent or rise and fall together.

    Raises:
        ValueError: a value that is not from 0 to 1.
    """
    order, adjusted, smallest = _order(p_values), [0.0] * len(p_values), 1.0
    for rank in range(len(order) - 1, -1, -1):
        smallest = min(smallest, p_values[order[rank]] * len(order) / (rank + 1))
        adjusted[order[rank]] = smallest
    return adjusted


def _order(p_values: Sequence[float]) -> list[int]:
    if not all(math.isfinite(one) and 0 <= one <= 1 for one in p_values):
        raise ValueError(f"not p-values: {list(p_values)}")
    return sorted(range(len(p_values)), key=lambda place: p_values[place])
