"""Learning rate over a run: warm-up, then constant, or linear or cosine down to a floor."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Shape", "rate_at"]

Shape = Literal["cosine", "linear", "constant"]


def rate_at(
    step: int,
    *,
    steps: int,
    peak: float,
    shape: Shape,
    warmup: float,
    warmup_steps: int | None = None,
    floor: float = 0.0,
) -> float:
    """The learning rate of a step.

    With `w` steps of warm-up, `n` steps in all and `d = (step - w) / (n - w)`:

    - warm-up: `peak * (step + 1) / (w + 1)`;
    - cosine: `floor + (peak - floor) * (1 + cos(pi * d)) / 2` (Loshchilov and Hutter 2017, one cycle);
    - linear: `floor + (peak - floor) * (1 - d)`;
    - constant: `peak`.

    Args:
        step: counted from 0.
        steps: of the whole run.
        peak: highest rate.
        shape: after the warm-up; `cosine` and `linear` reach the floor one step after the last.
        warmup: share of the steps over which the rate rises linearly; the first step is never at zero.
        warmup_steps: their number, in place of the share.
        floor: where `cosine` and `linear` end.
    """
    rising = math.ceil(warmup * steps) if warmup_steps is None else warmup_steps
    if step < rising:
        return peak * (step + 1) / (rising + 1)
    if shape == "constant":
        return peak
    done = (step - rising) / max(1, steps - rising)
    return floor + (peak - floor) * ((1 + math.cos(math.pi * done)) / 2 if shape == "cosine" else 1 - done)
