"""Continuous batching: rows join when there is room and leave when they are done, with one forward pass a token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seekloop.runtime.generate.answering import Row
from seekloop.runtime.generate.backend import Prompt, Token
from seekloop.runtime.generate.slots import SlotCache

__all__ = ["Batch"]


class Batch:
    """Rows that are being answered.

    Args:
        model: a transformers causal language model in eval mode.
        slots: rows at the same time.
        positions: longest row, prompt and answer together.
        prefix: ids that every prompt begins with and is longer than; read once.
    """

    def __init__(self, model: nn.Module, *, slots: int, positions: int, prefix: Sequence[int] = ()) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._dtype = next(model.parameters()).dtype
        self._slots = slots
        self._cache = SlotCache(layers=model.config.num_hidden_layers, slots=slots, positions=positions)
        self._rows: list[Row] = []
        self._shared = len(prefix)
        if prefix:
            self._read_prefix(prefix)

    @property
    def free(self) -> int:
        """Slots without a row."""
        return self._slots - len(self._rows)

    @torch.inference_mode()
    def admit(self, prompts: Sequence[tuple[int, Prompt]]) -> None:
        """Add rows, at most `free`: all ids but the last are read now, the last goes in with the next `step`.

        Args:
            prompts: (index, prompt); the index is given back with every token.
        """
        shared = self._shared
        longest = max(len(prompt.ids) for _, prompt in prompts) - 1
        if longest > shared:
            ids = torch.zeros(len(prompts), longest - shared, dtype=torch.long, device=self._device)
            for row, (_, prompt) in enumerate(prompts):
                ids[row, : len(prompt.ids) - 1 - shared] = torch.tensor(prompt.ids[shared:-1])
            positions = torch.arange(longest, device=self._device)[None]
            self._cache.at_new_rows(len(self._rows))
            self._forward(ids, positions[:, shared:], seen=positions[0, shared:, None] >= positions)
        self._rows += [Row.of(index, prompt) for index, prompt in prompts]

    @torch.inference_mode()
    def step(self) -> list[tuple[int, Token]]:
        """One more token of every row; rows that are done have left."""
        lengths = torch.tensor([row.length for row in self._rows], device=self._device)
        ids = torch.tensor([[row.last] for row in self._rows], device=self._device)
        self._cache.at_ends(lengths)
        positions = torch.arange(int(lengths.max()) + 1, device=self._device)
        logits = self._forward(ids, lengths[:, None], seen=(positions <= lengths[:, None])[:, None])
        tokens = [row.take(logits[place]) for place, row in enumerate(self._rows)]
        ended = [place for place, (_, token) in enumerate(tokens) if token.finish_reason is not None]
        for place in reversed(ended):
            self._leave(place)
        return tokens

    @torch.inference_mode()
    def _read_prefix(self, prefix: Sequence[int]) -> None:
        positions = torch.arange(len(prefix), device=self._device)[None]
        self._cache.at_prefix()
        self._forward(
            torch.tensor([list(prefix)], device=self._device), positions, seen=positions[0, :, None] >= positions
        )

    def _forward(self, ids: Tensor, positions: Tensor, *, seen: Tensor) -> Tensor:
        """Last logits, [rows, vocabulary], of `ids` [rows, n] where query q sees key k if `seen` [rows or 1, q, k]."""
        mask = torch.zeros(seen.shape, dtype=self._dtype, device=self._device)
        mask = mask.masked_fill(~seen, torch.finfo(self._dtype).min)
        return self._model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=(mask if mask.dim() == 3 else mask[None])[:, None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def _leave(self, place: int) -> None:
        """Take a row out; the last one moves into its slot."""
        last = self._rows.pop()
        if place < len(self._rows):
            self._cache.move(len(self._rows), place, length=last.length)
            self._rows[place] = last
