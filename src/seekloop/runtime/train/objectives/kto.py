"""Kahneman-Tversky optimisation: answers that were found good or bad one by one, not in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.loss import log_probs
from seekloop.runtime.train.objectives.objective import Part, Score, Whole
from seekloop.runtime.train.objectives.pairs import pair_count

__all__ = ["Kto", "Verdict"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One row."""

    desirable: bool
    reference: float
    """Summed log-probability of the answer before training."""
    stranger: View
    """The row's prompt with the answer of another row."""
    stranger_reference: float
    """That answer's, before training."""


@dataclass(frozen=True, kw_only=True)
class Kto:
    """Ethayarajh et al. (2024), eq. 8: a good answer loses `1 - sigmoid(beta (r - z))`, a bad one the same of `z - r`.

    r is the answer's log-ratio; z, how far the model has moved altogether, is the mean log-ratio of prompts with other
    rows' answers, over the whole step, at least zero, and without a gradient.
    """

    verdicts: Mapping[str, Verdict]
    """By row."""
    beta: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    together: bool = True

    def whole(self, views: Sequence[View], score: Score) -> Whole:
        """Divide by rows; z is measured with the model as it is before the step."""
        rows = [self.verdicts[row] for row in dict.fromkeys(view.row for view in views)]
        now = sum(score([row.stranger for row in rows]))
        moved = (now - sum(row.stranger_reference for row in rows)) / len(rows)
        return Whole(total=pair_count(views), baseline=max(0.0, moved))

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """The share of a micro-batch in the mean over rows."""
        rows = tuple(dict.fromkeys(batch.rows))
        place = {row: number for number, row in enumerate(rows)}
        cells = torch.tensor([place[row] for row in batch.rows])
        tokens = log_probs(model, batch)
        sums = tokens.values.new_zeros(len(rows)).index_add(0, cells[tokens.view], tokens.values)
        verdicts = [self.verdicts[row] for row in rows]
        ratios = sums - torch.tensor([row.reference for row in verdicts])
        good = torch.tensor([row.desirable for row in verdicts])
        sign = torch.where(good, 1.0, -1.0)
        weights = torch.where(good, self.desirable_weight, self.undesirable_weight)
        losses = weights * (1 - torch.sigmoid(sign * self.beta * (ratios - whole.baseline)))
        figures = _figures(good, rewards=self.beta * ratios.detach(), sums=sums.detach(), baseline=whole.baseline)
        return Part(loss=losses.sum() / whole.total, figures=figures)

    def summary(self, loss: float, figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """Rewards (beta times the log-ratio) of good and bad answers, their margin, and z."""
        found = {name: total / count for name, (total, count) in figures.items() if count}
        if {"rewards/chosen", "rewards/rejected"} <= found.keys():
            found["rewards/margins"] = found["rewards/chosen"] - found["rewards/rejected"]
        return found

    def attach(self, model: nn.Module, *, seed: int) -> None:
        """Nothing."""


def _figures(good: Tensor, *, rewards: Tensor, sums: Tensor, baseline: float) -> dict[str, tuple[float, float]]:
    found = {"kl": (baseline * len(good), float(len(good)))}
    for name, chosen in (("chosen", good), ("rejected", ~good)):
        count = float(chosen.sum().item())
        found[f"rewards/{name}"] = (rewards[chosen].sum().item(), count)
        found[f"logps/{name}"] = (sums[chosen].sum().item(), count)
    return found
