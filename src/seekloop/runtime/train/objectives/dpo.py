"""Direct preference optimisation: the better answer more likely against the start than the worse one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.objectives.objective import Part, Score, Whole, means
from seekloop.runtime.train.objectives.pairs import Pairs, of_pairs, pair_count, reward_figures

__all__ = ["Dpo", "DpoLoss"]

DpoLoss = Literal["sigmoid", "hinge", "ipo", "robust"]


@dataclass(frozen=True, kw_only=True)
class Dpo:
    """Rafailov et al. (2023), `-log sigmoid(beta d)`, d the better answer's log-ratio less the worse one's.

    With label smoothing e, `sigmoid` is Mitchell's conservative form and `robust` that of Chowdhury et al. (2024).
    `hinge`: Zhao et al. (2023), `max(0, 1 - beta d)`. `ipo`: Azar et al. (2023), `(d - 1 / (2 beta))^2` with
    log-ratios a token, as its authors have it.
    """

    reference: Mapping[str, tuple[float, float]]
    """Row -> summed log-probabilities of its two answers before training."""
    beta: float = 0.1
    loss: DpoLoss = "sigmoid"
    label_smoothing: float = 0.0
    together: bool = True

    def whole(self, views: Sequence[View], score: Score) -> Whole:
        """Divide by pairs."""
        return Whole(total=pair_count(views))

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """The share of a micro-batch in the mean over pairs."""
        pairs = of_pairs(model, batch)
        ratios = pairs.sums - torch.tensor([self.reference[row] for row in pairs.rows])
        losses = self._losses(ratios, pairs)
        return Part(loss=losses.sum() / whole.total, figures=reward_figures(self.beta * ratios, pairs.sums))

    def summary(self, loss: float, figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """Rewards (beta times the log-ratio), their margin, and how often the better answer has the higher one."""
        return means(figures)

    def attach(self, model: nn.Module, *, seed: int) -> None:
        """Nothing."""

    def _losses(self, ratios: Tensor, pairs: Pairs) -> Tensor:
        """[rows, 2] -> [rows]."""
        if self.loss == "ipo":
            ahead = ratios / pairs.lengths
            return (ahead[:, 0] - ahead[:, 1] - 1 / (2 * self.beta)) ** 2
        ahead, flip = self.beta * (ratios[:, 0] - ratios[:, 1]), self.label_smoothing
        if self.loss == "hinge":
            return torch.relu(1 - ahead)
        if self.loss == "robust":
            return (flip * logsigmoid(-ahead) - (1 - flip) * logsigmoid(ahead)) / (1 - 2 * flip)
        return -(1 - flip) * logsigmoid(ahead) - flip * logsigmoid(-ahead)
