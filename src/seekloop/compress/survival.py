"""Whether a trained adapter is still there after rounding.

A base that was published in a block format lies exactly on that format's grid. An adapter moves each weight by far less
than a step, so rounding to the same format gives the base back, and the file answers as if nothing had been trained:
every value is within its rounding error, and the adapter is gone.
"""

from __future__ import annotations

import math

import numpy as np

from seekloop.compress.weights import Array

__all__ = ["Survival"]

_least = 0.5


class Survival:
    """The share of an adapter's change that stored weights keep, taken over all adapted tensors.

    With change D and rounding error E, the share is `1 + sum(E D) / sum(D D)`: 1 where errors do not depend on the
    change, 0 where they undo it. Its standard error is `sqrt(sum(E E D D)) / sum(D D)`.
    """

    def __init__(self) -> None:
        self._change = self._undone = self._spread = 0.0

    def add(self, change: Array, error: Array) -> None:
        """Take in one tensor: what the adapter changed, and stored minus source; the same shape."""
        product = change.astype(np.float64) * error
        self._change += float(np.square(change, dtype=np.float64).sum())
        self._undone += float(product.sum())
        self._spread += float(np.square(product).sum())

    @property
    def share(self) -> float:
        """Of the change that is left; 1 where there was none."""
        return 1.0 + self._undone / self._change if self._change else 1.0

    @property
    def is_lost(self) -> bool:
        """Whether less than half is left, beyond three standard errors."""
        margin = 3 * math.sqrt(self._spread) / self._change if self._change else 0.0
        return self.share + margin < _least
