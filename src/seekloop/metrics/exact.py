"""Exact tests of counts, in whole numbers, so that a verdict does not depend on a machine's rounding."""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = ["fisher_greater"]


def fisher_greater(hits: int, n: int, *, others_hits: int, others: int) -> float:
    """Chance of at least `hits` of `n` if these were drawn from the same urn as the others.

    Fisher (1935), "The Logic of Inductive Inference": the margins being given, the hits of the `n` are hypergeometric.

    Args:
        hits: of the group that is looked at.
        n: size of that group.
        others_hits: of everybody else.
        others: their number.

    Returns:
        The one-sided p-value, 0 to 1.
    """
    if not 0 <= hits <= n or not 0 <= others_hits <= others:
        raise ValueError(f"{hits} of {n} against {others_hits} of {others}")
    marked, whole = hits + others_hits, n + others
    ways = sum(math.comb(marked, at) * math.comb(whole - marked, n - at) for at in range(hits, min(n, marked) + 1))
    return float(Fraction(ways, math.comb(whole, n)))
