"""The learning rate over a run as a spec; its formulas are in `runtime/train/schedule.py`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.system.errors import UsageError
from seekloop.system.spec import Spec

__all__ = ["ScheduleSpec"]


class ScheduleSpec(Spec):
    """How the learning rate rises and falls. `schedule: linear` is short for `schedule: {type: linear}`."""

    type: Literal["cosine", "linear", "constant"] = "cosine"
    """After the warm-up."""
    warmup_ratio: float | None = Field(default=None, ge=0, lt=1)
    """Share of the steps over which the rate rises; None: 0.1, or none where `warmup_steps` is given."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Their number, in place of the share."""
    final_learning_rate: float = Field(default=0.0, ge=0)
    """Where `cosine` and `linear` end."""

    @model_validator(mode="after")
    def _one_warm_up(self) -> Self:
        if self.warmup_ratio is not None and self.warmup_steps is not None:
            raise UsageError("tune.two_warmups", ratio=self.warmup_ratio, steps=self.warmup_steps)
        if self.type == "constant" and self.final_learning_rate:
            raise UsageError("tune.constant_has_no_end", rate=self.final_learning_rate)
        return self
