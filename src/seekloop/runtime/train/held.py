"""The trained weights as a process holds them, with their optimizer: all of each, or its rows of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from seekloop.runtime.train.methods.method import put_values
from seekloop.runtime.train.moments import moments, put_moments
from seekloop.runtime.train.sentinels import check_moved, fingerprints

__all__ = ["Clip", "Cut", "Held", "Prints", "Trained"]

Prints = dict[str, tuple[float, float]]
Cut = Callable[[Tensor], Tensor]
"""What a process holds of a whole tensor."""
Clip = Callable[[Sequence[nn.Parameter], float], float]
"""Scales the gradients of parameters down to a norm, and returns what it was."""


class Trained(Protocol):
    """What the loop does with trained weights. With several processes, all call everything in the same order."""

    cut: Cut | None
    """None: tensors are whole, and the first process writes them for all."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """By name."""

    def rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""

    def step(self, limit: float, check: Callable[[float], None]) -> float:
        """Clip the gradients to `limit` and do an optimizer step; returns their norm, which `check` may refuse."""

    def prints(self) -> Prints:
        """Two sums of each parameter."""

    def moved(self, before: Prints) -> None:
        """Check that a step moved what it should.

        Raises:
            TrainError: a parameter takes no part in the loss, or nothing moved.
        """

    def forget(self) -> None:
        """Let go of the gradients."""

    def values(self) -> dict[str, Tensor]:
        """The weights, for a checkpoint."""

    def moments(self) -> dict[str, Tensor]:
        """The optimizer's state, for a checkpoint."""

    def put(self, values: Mapping[str, Tensor]) -> None:
        """Take up what `values` gave."""

    def put_moments(self, saved: Mapping[str, Tensor]) -> None:
        """Take up what `moments` gave; nothing: begin without."""


class Held:
    """Weights that torch's own optimizer steps on.

    Args:
        parameters: those that are trained, or this process's rows of them.
        optimizer: over them; `rate_factor` of its groups multiplies the rate.
        clip: over all rows, where other processes have some.
        cut: this process's rows of a whole tensor; None: all of them.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        *,
        clip: Clip | None = None,
        cut: Cut | None = None,
    ) -> None:
        self.parameters, self.cut = parameters, cut
        self._optimizer, self._clip = optimizer, clip or _clip

    def rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]

    def step(self, limit: float, check: Callable[[float], None]) -> float:
        """Clip, `check` the norm before, step."""
        norm = self._clip(list(self.parameters.values()), limit)
        check(norm)
        self._optimizer.step()
        # The fused step does not count as a change by itself; what is derived from weights and kept goes by the count.
        torch.autograd.graph.increment_version(list(self.parameters.values()))
        return norm

    def prints(self) -> Prints:
        """Two sums of each parameter."""
        return fingerprints(self.parameters)

    def moved(self, before: Prints) -> None:
        """See `sentinels.check_moved`."""
        check_moved(before, self.parameters)

    def forget(self) -> None:
        """Let go of the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def values(self) -> dict[str, Tensor]:
        """The parameters themselves, without a graph."""
        return {name: value.detach() for name, value in self.parameters.items()}

    def moments(self) -> dict[str, Tensor]:
        """See `moments.moments`."""
        return moments(self._optimizer, self.parameters)

    def put(self, values: Mapping[str, Tensor]) -> None:
        """Copy `values` into the parameters."""
        put_values(self.parameters, values)

    def put_moments(self, saved: Mapping[str, Tensor]) -> None:
        """See `moments.put_moments`."""
        put_moments(self._optimizer, self.parameters, saved=saved)


def _clip(parameters: Sequence[nn.Parameter], limit: float) -> float:
    norm = nn.utils.get_total_norm([value.grad for value in parameters if value.grad is not None])
    if not norm.item() <= limit - 2e-6:
        # Below it torch would multiply every gradient by one.
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return norm.item()
