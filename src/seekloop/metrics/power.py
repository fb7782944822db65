"""How many rows a comparison needs before it can tell."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["rows_to_decide"]

_least, _most = 1e-6, 10**9


def rows_to_decide(
    interval: tuple[float, float], *, n: int, margin: float, questions: int = 1, power: float = 0.8
) -> int:
    """Rows in all that would tell with probability `power`, if the difference stays what it is (higher is better).

    A difference d with an interval of half-width h on n rows has a standard error of h / z sqrt(n / m) on m rows. It
    is told apart from 0 where |d| is (z' + z_power) of these, z' being that of 0.05 / `questions` (Holm's first step),
    and shown to be within the margin where d + margin is (z + z_power) of these: the fewer rows of the two.

    Args:
        interval: two-sided 95 % interval of the difference.
        n: rows that it was measured on.
        margin: loss that is still acceptable.
        questions: figures that are tested together.
        power: chance to tell.

    Returns:
        Rows; a billion where that many or more would be needed, as for no difference and no margin.

    Raises:
        ValueError: no rows, no questions, or a margin below 0.
    """
    low, high = interval
    if n < 1 or questions < 1 or margin < 0 or not 0 < power < 1 or not low <= high:
        raise ValueError(f"interval {interval}, n {n}, margin {margin}, {questions} questions, power {power}")
    normal, difference, half = NormalDist(), (low + high) / 2, (high - low) / 2
    z = normal.inv_cdf(0.975)
    wanted = (
        (abs(difference), normal.inv_cdf(1 - 0.025 / questions)),
        (difference + margin, z),
    )
    steps = [(at + normal.inv_cdf(power)) * half / (z * distance) for distance, at in wanted if distance > _least]
    return min(_most, max(1, math.ceil(n * min(steps) ** 2))) if steps else _most
