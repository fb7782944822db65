"""Looking at validation rows while training: when, by what measure, which state was best, and when to stop for good."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

__all__ = ["Metric", "Validation", "evaluating", "is_over", "rank_of"]

Metric = Literal["loss", "answers"]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """When validation happens and what follows from it; the words are those of `tune/run_specs.py`."""

    every_steps: int | None = None
    """None: at epoch ends. The last step is always looked at."""
    metric: Metric = "loss"
    answers: Callable[[nn.Module, Callable[[], None]], float] | None = None
    """Share of right answers of a model; its second argument is called now and then and may raise to stop it."""
    patience: int | None = None
    min_delta: float = 0.0


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch off dropout and checkpointing for a while; each module gets its own flag back."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def rank_of(entry: Mapping[str, float], metric: Metric) -> tuple[float, float]:
    """What validations are compared by, the lowest being the best; of equal shares of answers the lower loss is."""
    return (entry["eval_loss"] if metric == "loss" else -entry["eval_answers"]), entry["eval_loss"]


def is_over(history: Sequence[Mapping[str, float]], validation: Validation) -> bool:
    """Whether the last `patience` validations were none of them better than the best before by more than `min_delta`.

    It follows from the history alone, so a run that is resumed ends where it would have ended.
    """
    if validation.patience is None:
        return False
    best, stale = float("inf"), 0
    for value in (rank_of(entry, validation.metric)[0] for entry in history if "eval_loss" in entry):
        better = value < best - validation.min_delta
        best, stale = (value, 0) if better else (best, stale + 1)
    return stale >= validation.patience
