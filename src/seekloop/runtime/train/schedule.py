"""Learning rate over a run: warm-up, then constant, linear or cosine to zero."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Shape", "rate_at"]

Shape = Literal["cosine", "linear", "constant"]


def rate_at(step: int, *, steps: int, peak: float, shape: Shape, warmup: float) -> float:
    """The learning rate of a step.

    Args:
        step: counted from 0.
        steps: of the whole run.
        peak: highest rate.
        shape: after the warm-up; `cosine` and `linear` end at zero one step after the last.
        warmup: share of the steps over which the rate rises linearly; the first step is never at zero.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return peak * (step + 1) / (rising + 1)
    if shape == "constant":
        return peak
    done = (step - rising) / max(1, steps - rising)
    return peak * ((1 + math.cos(math.pi * done)) / 2 if shape == "cosine" else 1 - done)
