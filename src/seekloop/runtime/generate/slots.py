"""A key-value cache of slots: each row of a batch grows, ends and is replaced at its own position.

Row i holds its positions 0 to n_i - 1 from the left; there is no padding inside a row, so a row's numbers do not depend
on its neighbours' lengths. Rows in use are the first ones: a finished row is overwritten with the last. What all rows
begin with is read once and copied into each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

__all__ = ["SlotCache"]


class _Place:
    """Where the next forward pass writes, told to all layers at once."""

    def __init__(self) -> None:
        self.start = 0
        self.lengths: Tensor | None = None
        """[rows]: one token a row, each at its own position. None: whole new rows from `start` on."""
        self.shared = False
        """What is written is what all later rows begin with."""
        self.span = 0
        """Positions that attention looks at."""


class _SlotLayer(CacheLayerMixin):
    """Keys and values of one layer: [slots, heads, positions, width]."""

    is_sliding = False

    def __init__(self, place: _Place, *, slots: int, positions: int) -> None:
        super().__init__()
        self._place = place
        self._slots = slots
        self._positions = positions
        self._prefix: tuple[Tensor, Tensor] | None = None
        """Keys and values of what all rows begin with, [1, heads, n, width]."""

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate zeros: a masked position has weight 0, and 0 times whatever memory held before could be NaN."""
        self.keys = self._zeros_like(key_states)
        self.values = self._zeros_like(value_states)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Store [rows, heads, new, width], and return all that attention looks at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place, rows = self._place, key_states.shape[0]
        if place.shared:
            self._prefix = key_states, value_states
            return key_states, value_states
        if place.lengths is None:
            if self._prefix is not None:
                keys, values = (part.expand(rows, -1, -1, -1) for part in self._prefix)
                key_states, value_states = torch.cat([keys, key_states], 2), torch.cat([values, value_states], 2)
            new = key_states.shape[2]
            self.keys[place.start : place.start + rows, :, :new] = key_states
            self.values[place.start : place.start + rows, :, :new] = value_states
            return key_states, value_states
        every = torch.arange(rows, device=key_states.device)
        self.keys[every, :, place.lengths] = key_states[:, :, 0]
        self.values[every, :, place.lengths] = value_states[:, :, 0]
        return self.keys[:rows, :, : place.span], self.values[:rows, :, : place.span]

    def move(self, source: int, target: int, *, length: int) -> None:
        """Copy the first `length` positions of one slot over another."""
        if self.is_initialized:
            self.keys[target, :, :length] = self.keys[source, :, :length]
            self.values[target, :, :length] = self.values[source, :, :length]

    def _zeros_like(self, states: Tensor) -> Tensor:
        return states.new_zeros(self._slots, states.shape[1], self._positions, states.shape[3])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Unused: the masks are ours."""
        return self._place.span, 0

    def get_seq_length(self) -> int:
        """Unused: the positions are ours."""
        return 0

    def get_max_length(self) -> int:
        """Positions a slot holds."""
        return self._positions


class SlotCache(Cache):
    """What transformers takes as `past_key_values`.

    Args:
        layers: decoder layers of the model.
        slots: rows at the same time.
        positions: longest row, prompt and answer together.
    """

    def __init__(self, *, layers: int, slots: int, positions: int) -> None:
        self._place = _Place()
        self._layers = [_SlotLayer(self._place, slots=slots, positions=positions) for _ in range(layers)]
        super().__init__(layers=self._layers)

    def at_prefix(self) -> None:
        """The next pass, of one row, is what all rows after it begin with."""
        self._place.shared = True

    def at_new_rows(self, start: int) -> None:
        """The next pass writes whole new rows, from slot `start` on, behind the prefix where there is one."""
        self._place.start, self._place.lengths, self._place.shared = start, None, False

    def at_ends(self, lengths: Tensor) -> None:
        """The next pass writes one token to the end of each of the first rows; `lengths`: [rows], before it."""
        self._place.lengths, self._place.span = lengths, int(lengths.max()) + 1

    def move(self, source: int, target: int, *, length: int) -> None:
        """Copy a row to another slot."""
        for layer in self._layers:
            layer.move(source, target, length=length)
