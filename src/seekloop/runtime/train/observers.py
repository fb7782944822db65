"""Who watches a run: trackers, plots. They are told what happened and can change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from seekloop.runtime.train.state import State

__all__ = ["Observer"]


class Observer(Protocol):
    """Called from the thread that trains, between steps; what it does there costs training time."""

    def begin(self, state: State, *, steps: int) -> None:
        """Training begins, or goes on: `state.history` holds what was seen before.

        After a crash, the steps since the last checkpoint are done, and told of, once more.
        """

    def entry(self, entry: Mapping[str, float]) -> None:
        """What `history` got: a step (`loss`, `learning_rate`, `grad_norm`, `tokens`) or a validation (`eval_loss`)."""

    def end(self, state: State) -> None:
        """All steps are done. Not called for a run that is stopped or fails."""
