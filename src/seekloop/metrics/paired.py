"""The difference of two shares on the same rows, where rows may come in groups."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from seekloop.metrics import sums
from seekloop.metrics.resampling import swap_p_value
from seekloop.metrics.significance import Interval, mcnemar, paired_share_difference

__all__ = ["PairedShare", "design_effect", "paired_share"]


class PairedShare(NamedTuple):
    """First minus second."""

    interval: Interval
    p_value: float
    design_effect: float
    """How many times fewer rows would tell as much if each stood for itself; 1 where they do."""


def paired_share(
    first: Sequence[bool], second: Sequence[bool], *, groups: Sequence[Hashable], resamples: int = 2000, seed: int
) -> PairedShare:
    """The difference of two shares on the same rows.

    Rows for themselves: Tango's interval and the exact McNemar test. Rows in groups: the same interval on the counts
    divided by the design effect (Rao and Scott 1992), and a test that swaps whole groups.

    Args:
        first: whether the first model was right, row by row.
        second: whether the second was.
        groups: name of each row's group.
        resamples: of the test that swaps groups.
        seed: of the same.

    Raises:
        ValueError: no rows, or columns of two lengths.
    """
    won = sum(a and not b for a, b in zip(first, second, strict=True))
    lost = sum(b and not a for a, b in zip(first, second, strict=True))
    n = len(first)
    if len(set(groups)) == n:
        return PairedShare(paired_share_difference(won, lost, n=n), mcnemar(won, lost), 1.0)
    effect = design_effect([int(a) - int(b) for a, b in zip(first, second, strict=True)], groups)
    interval = paired_share_difference(won / effect, lost / effect, n=n / effect)
    one, other = (sums.mean(np.asarray(column, dtype=np.float64)).by(groups) for column in (first, second))
    return PairedShare(interval, swap_p_value(one, other, resamples=resamples, seed=seed), effect)


def design_effect(values: Sequence[float], groups: Sequence[Hashable]) -> float:
    """Variance of the mean of grouped rows over that of rows drawn one by one, at least 1 (Kish 1965).

    Where no value differs nothing shows how alike rows of a group are: they are taken to be entirely so, which gives
    the mean size of a group.

    Raises:
        ValueError: no values, or not one group a value.
    """
    column = np.asarray(values, dtype=np.float64)
    place = {name: index for index, name in enumerate(dict.fromkeys(groups))}
    if not len(column) or len(column) != len(groups):
        raise ValueError(f"{len(column)} values in {len(groups)} groups")
    n, count = len(column), len(place)
    spread = column - column.mean()
    alone = float((spread**2).sum()) * n / max(1, n - 1)
    if alone == 0 or count == 1:
        return n / count
    totals = np.bincount([place[name] for name in groups], weights=spread, minlength=count)
    return max(1.0, float((totals**2).sum()) * count / (count - 1) / alone)
