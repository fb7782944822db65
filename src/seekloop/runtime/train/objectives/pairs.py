"""Log-probabilities of the better and the worse answer of each row, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seekloop.model.codec import View
from seekloop.runtime.train import loss
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.loss import LogProbs

__all__ = ["Pairs", "of_pairs", "pair_count", "reward_figures"]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The rows of a micro-batch, in their order of first appearance."""

    rows: tuple[str, ...]
    sums: Tensor
    """[rows, 2]: summed log-probability of the better and the worse answer, with a graph."""
    lengths: Tensor
    """[rows, 2]: labelled tokens of each."""
    tokens: LogProbs
    """Token by token, prompts included where they are labelled."""
    in_answer: Tensor
    """[positions], bool: which of the tokens are answers'."""

    @property
    def means(self) -> Tensor:
        """[rows, 2]: log-probability a token."""
        return self.sums / self.lengths


def of_pairs(model: nn.Module, batch: Batch) -> Pairs:
    """Both answers of each row of a micro-batch; an answer of several views is their sum."""
    rows = tuple(dict.fromkeys(batch.rows))
    place = {row: number for number, row in enumerate(rows)}
    cells = torch.tensor([2 * place[view.row] + view.side for view in batch.views])
    begins = torch.tensor([view.begins for view in batch.views])
    tokens = loss.log_probs(model, batch)
    in_answer = tokens.place >= begins[tokens.view]
    cell = cells[tokens.view]
    sums = tokens.values.new_zeros(2 * len(rows)).index_add(0, cell, tokens.values * in_answer)
    lengths = torch.bincount(cell[in_answer], minlength=2 * len(rows)).to(sums.dtype)
    return Pairs(rows=rows, sums=sums.view(-1, 2), lengths=lengths.view(-1, 2), tokens=tokens, in_answer=in_answer)


def pair_count(views: Sequence[View]) -> int:
    """Rows among these views."""
    return len({view.row for view in views})


def reward_figures(rewards: Tensor, log_probs: Tensor) -> dict[str, tuple[float, float]]:
    """What TRL reports, under its names, as sums and counts.

    Args:
        rewards: [rows, 2], of the better and the worse answer.
        log_probs: [rows, 2], by answer or by token.
    """
    better, worse = rewards.detach().unbind(1)
    chosen, rejected = log_probs.detach().unbind(1)
    count = float(len(better))
    values = {
        "rewards/chosen": better,
        "rewards/rejected": worse,
        "rewards/margins": better - worse,
        "rewards/accuracies": (better > worse).float(),
        "logps/chosen": chosen,
        "logps/rejected": rejected,
    }
    return {name: (value.sum().item(), count) for name, value in values.items()}
