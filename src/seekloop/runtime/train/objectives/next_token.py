"""The next token of answers or of text: cross-entropy over all labelled tokens of a step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.loss import summed_loss
from seekloop.runtime.train.objectives.objective import Part, Score, Whole, trained_tokens

__all__ = ["NextToken"]


@dataclass(frozen=True, kw_only=True)
class NextToken:
    """The mean over the labelled tokens of a step: fine-tuning on answers, or continued pre-training on text."""

    perplexity: bool = False
    """Whether the history holds the loss as perplexity too, by token of this model's tokeniser."""
    together: bool = False

    def whole(self, views: Sequence[View], score: Score) -> Whole:
        """Divide by labelled tokens."""
        return Whole(total=trained_tokens(views))

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """The share of a micro-batch in the mean."""
        return Part(loss=summed_loss(model, batch) / whole.total)

    def summary(self, loss: float, figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """Perplexity where it is asked for: e to the loss."""
        return {"perplexity": math.exp(min(loss, 700.0))} if self.perplexity else {}

    def attach(self, model: nn.Module, *, seed: int) -> None:
        """Nothing."""
