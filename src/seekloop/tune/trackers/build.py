"""The trackers by the names that `report_to` knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from seekloop.tune.trackers.curves import Curves
from seekloop.tune.trackers.jsonl import JsonLines
from seekloop.tune.trackers.mlflow import MLflow
from seekloop.tune.trackers.swanlab import SwanLab
from seekloop.tune.trackers.tensorboard import TensorBoard
from seekloop.tune.trackers.tracker import Tracker
from seekloop.tune.trackers.wandb import WeightsAndBiases

__all__ = ["TRACKERS", "build"]

TRACKERS: Mapping[str, Callable[[Callable[[str], None]], Tracker]] = MappingProxyType(
    {
        "curves": Curves,
        "jsonl": lambda _: JsonLines(),
        "tensorboard": lambda _: TensorBoard(),
        "mlflow": lambda _: MLflow(),
        "wandb": lambda _: WeightsAndBiases(),
        "swanlab": lambda _: SwanLab(),
    }
)
"""Each is made before training starts, which is where a missing package is said."""


def build(name: str, *, say: Callable[[str], None]) -> Tracker:
    """The tracker called `name`; what it does without is told to `say`.

    Raises:
        MissingPackage: its package is not installed.
    """
    return TRACKERS[name](say)
