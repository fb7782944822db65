"""What quick mode is told: how large its samples are, how long it may take, and what would be worth a full run."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from seekloop.evaluate.probes.spec import ProbesSpec
from seekloop.evaluate.spec import EvaluateSpec
from seekloop.system.spec import Spec
from seekloop.tune.spec import TuneSpec

__all__ = ["QuickSpec"]


class QuickSpec(Spec):
    """Samples of the train rows, each trained on for one epoch and measured on the same rows."""

    shares: tuple[float, ...] = Field(default=(0.125, 0.25, 0.5), min_length=2)
    """Parts of the train rows, growing; each holds the one before it, and all labels in the same proportions."""
    minutes: float = Field(default=30.0, gt=0)
    """No sample is begun that would end later; what was done before a crash counts."""
    least_gain: float = Field(default=0.01, gt=0, lt=1)
    """What the full run must add to the figure to be worth it."""
    goal: float | None = Field(default=None, gt=0, lt=1)
    """A share that the figure is to reach; None: none was set."""
    untrained: bool = True
    """Also measure the checkpoint before training: what it learned is told from that."""
    tune: TuneSpec = TuneSpec()
    """How it is trained; `epochs` is 1 whatever stands here."""
    evaluate: EvaluateSpec = EvaluateSpec(split="validation", probes=ProbesSpec(general=False, safety=False))
    """How it is measured; on the test rows where the dataset has none to validate with."""

    @model_validator(mode="after")
    def _growing(self) -> Self:
        rising = all(low < high for low, high in zip((0.0, *self.shares), self.shares, strict=False))
        if not rising or self.shares[-1] > 1:
            raise ValueError("shares must grow, from above 0 to 1 at most")
        return self
