"""Odds-ratio preference optimisation: learning the better answer and preferring it, without a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.objectives.objective import Part, Score, Whole, means, trained_tokens
from seekloop.runtime.train.objectives.pairs import of_pairs, pair_count, reward_figures

__all__ = ["Orpo"]


@dataclass(frozen=True, kw_only=True)
class Orpo:
    """Hong et al. (2024), eq. 6: the next-token loss of the better answers, plus `-beta log sigmoid(log odds ratio)`.

    Odds are those of an answer's log-probability a token. The first term is a mean over tokens, the second over pairs.
    """

    beta: float = 0.1
    together: bool = True

    def whole(self, views: Sequence[View], score: Score) -> Whole:
        """Divide by pairs, and by the labelled tokens of the better answers."""
        return Whole(total=pair_count(views), tokens=trained_tokens([view for view in views if view.side == 0]))

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """The share of a micro-batch in both means."""
        pairs = of_pairs(model, batch)
        per_token = pairs.means
        log_odds = per_token - _log1mexp(per_token)
        ahead = log_odds[:, 0] - log_odds[:, 1]
        sides = torch.tensor([view.side for view in batch.views])
        learned = -(pairs.tokens.values * (sides[pairs.tokens.view] == 0)).sum()
        loss = learned / whole.tokens - self.beta * logsigmoid(ahead).sum() / whole.total
        count = float(len(pairs.rows))
        return Part(
            loss=loss,
            figures={
                **reward_figures(self.beta * per_token, per_token),
                "nll_loss": (learned.item(), float(trained_tokens([view for view in batch.views if view.side == 0]))),
                "log_odds_chosen": (ahead.detach().sum().item(), count),
            },
        )

    def summary(self, loss: float, figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """As for DPO, rewards being beta times the log-probability a token; both terms; the log odds ratio."""
        return means(figures)

    def attach(self, model: nn.Module, *, seed: int) -> None:
        """Nothing."""


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0; Mächler (2012): whichever of two forms keeps its digits."""
    x = x.clamp(max=-1e-7)
    near = x > -0.6931471805599453
    return torch.where(near, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))
