"""Classification: a linear head on the state of the prompt's last token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from seekloop.model.codec import View
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.classifiers import Classes, add_head
from seekloop.runtime.train.loss import last_states
from seekloop.runtime.train.objectives.objective import Part, Score, Whole, means
from seekloop.system import seeds

__all__ = ["Classify"]


@dataclass(frozen=True, kw_only=True)
class Classify:
    """Cross-entropy over the classes; with several a row, binary cross-entropy, a mean over rows and classes."""

    classes: Classes
    targets: Mapping[str, tuple[int, ...]]
    """Row -> places of its classes."""
    together: bool = False

    def whole(self, views: Sequence[View], score: Score) -> Whole:
        """Divide by rows."""
        return Whole(total=len(views))

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """The share of a micro-batch in the mean over rows."""
        scores = model.get_submodule("score")(last_states(model, batch))
        wanted = torch.zeros_like(scores)
        for place, row in enumerate(batch.rows):
            wanted[place, list(self.targets[row])] = 1.0
        if self.classes.several:
            loss = binary_cross_entropy_with_logits(scores, wanted, reduction="sum") / scores.shape[1]
            right = ((scores > 0) == (wanted > 0)).all(1)
        else:
            loss = cross_entropy(scores, wanted.argmax(1), reduction="sum")
            right = scores.argmax(1) == wanted.argmax(1)
        return Part(loss=loss / whole.total, figures={"accuracy": _counted(right)})

    def summary(self, loss: float, figures: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """Share of rows with exactly their classes."""
        return means(figures)

    def attach(self, model: nn.Module, *, seed: int) -> None:
        """The head, where the checkpoint that is trained on has none."""
        add_head(model, count=len(self.classes.names), seed=seeds.derive(seed, "train", "score"))


def _counted(right: Tensor) -> tuple[float, float]:
    return float(right.sum().item()), float(len(right))
