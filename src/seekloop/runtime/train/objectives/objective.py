"""What an objective is: which views go together, and what a micro-batch of a step adds to the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch, labelled

__all__ = ["Objective", "Part", "Score", "Whole", "means", "trained_tokens"]

Score = Callable[[Sequence[View]], list[float]]
"""The summed log-probability of the labelled tokens of each view under the model as it is, without gradients."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """What a micro-batch must know of its whole step, so that how the step is cut changes nothing."""

    total: float
    """What sums are divided by: labelled tokens, pairs or rows. Several processes add theirs up."""
    tokens: float = 0.0
    """A second divisor, where the loss has a term by token too; added up likewise."""
    baseline: float = 0.0
    """What the model does on rows other than these, as it is before the step."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one micro-batch adds."""

    loss: Tensor
    """Scalar with a graph, divided already: the parts of a step add up to its loss."""
    figures: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Name -> sum and count, for the history."""


class Objective(Protocol):
    """Next-token loss, DPO, ORPO, KTO, …"""

    @property
    def together(self) -> bool:
        """Whether the views of a row go through the model in one micro-batch."""

    def whole(self, views: Sequence[View], score: Score) -> Whole:
        """What the micro-batches of a step must know of it."""

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """What a micro-batch adds to the loss and the figures."""

    def summary(self, loss: float, figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """What the history says beside the loss of a step, or of the validation rows."""

    def attach(self, model: nn.Module, *, seed: int) -> None:
        """Add to the model, in place, what the objective trains beside the method's weights; mostly nothing."""


def trained_tokens(views: Sequence[View]) -> int:
    """Labelled tokens of views."""
    return sum(labelled(view) for view in views)


def means(figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Sums by their counts; what counts nothing is left out."""
    return {name: total / count for name, (total, count) in figures.items() if count}
