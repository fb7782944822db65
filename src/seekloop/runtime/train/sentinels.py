"""What must be true while training runs; each failure stops the run with the reason, before time is wasted on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from seekloop.system.errors import TrainError

__all__ = ["check_finite", "check_moved", "fingerprints"]

_named = 5


def check_finite(value: float, *, what: str, step: int, rows: Sequence[str]) -> None:
    """Stop at a loss or gradient that is no number.

    Raises:
        TrainError: it is not finite; names the step and the rows.
    """
    if not math.isfinite(value):
        ids = ", ".join(dict.fromkeys(rows))
        raise TrainError("train.not_finite", what=what, value=value, step=step + 1, rows=ids)


def fingerprints(parameters: Mapping[str, Tensor]) -> dict[str, tuple[float, float]]:
    """Two sums of each parameter, in double precision: cheap to keep, and they change when it changes."""
    with torch.no_grad():
        return {
            name: (value.sum(dtype=torch.float64).item(), value.abs().sum(dtype=torch.float64).item())
            for name, value in parameters.items()
        }


def check_moved(before: Mapping[str, tuple[float, float]], parameters: Mapping[str, nn.Parameter]) -> None:
    """After the first step: every parameter took part in the loss, and weights moved.

    Experts that no token was sent to have no gradient yet; that is how a mixture of experts works.

    Raises:
        TrainError: a layer is not connected to the loss, or nothing moved at all.
    """
    unused = [name for name, value in parameters.items() if value.grad is None and ".experts." not in name]
    if unused:
        names = ", ".join(unused[:_named])
        raise TrainError("train.not_connected", count=len(unused), total=len(parameters), names=names)
    if fingerprints(parameters) == before:
        raise TrainError("train.not_moving", total=len(parameters))
