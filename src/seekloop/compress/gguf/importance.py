"""How much an error in each column of a matrix counts: the mean square of what it is multiplied with on real rows."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.compress.calibration import calibration_ids
from seekloop.compress.weights import Array, open_weights
from seekloop.runtime import models

__all__ = ["Importance", "measure"]

Importance = Mapping[str, Array]
"""Name of a weight -> [columns]."""


@torch.inference_mode()
def measure(checkpoint: Checkpoint, dataset: Dataset | None, *, ctx: RunContext) -> Importance:
    """Run the calibration rows through the model and take the mean square of every linear layer's inputs.

    Args:
        checkpoint: in the full or adapter form.
        dataset: whose calibration split is read.
        ctx: its store has both.

    Returns:
        One vector a linear layer that saw a token; experts, which are no layers of their own, have none.

    Raises:
        DataError: there is no dataset, or its calibration split is empty.
    """
    model, codec = models.load(checkpoint, store=ctx.store), models.codec_of(checkpoint, store=ctx.store)
    with open_weights(checkpoint, store=ctx.store) as weights:
        matrices = {name for name in weights.names if ".layers." in name and len(weights.shape(name)) == 2}
    sums: dict[str, torch.Tensor] = {}
    seen: dict[str, int] = {}
    with contextlib.ExitStack() as hooks, ctx.progress.task("importance") as task:
        for name, layer in model.named_modules():
            if f"{name}.weight" in matrices:  # an adapter's layer stands under the name of the one that it adapts
                hook = layer.register_forward_pre_hook(_Adding(f"{name}.weight", sums, seen))
                hooks.callback(hook.remove)
        for ids in calibration_ids(dataset, codec=codec, store=ctx.store, method="method.importance"):
            model(input_ids=torch.tensor([ids]))
            task.advance()
    return {name: (total / seen[name]).float().numpy().astype(np.float32) for name, total in sums.items()}


class _Adding:
    """Adds up squares of what a layer is given, column by column."""

    def __init__(self, name: str, sums: dict[str, torch.Tensor], seen: dict[str, int]) -> None:
        self._name, self._sums, self._seen = name, sums, seen

    def __call__(self, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        """[..., columns] of the first input."""
        rows = inputs[0].reshape(-1, inputs[0].shape[-1]).double()
        self._sums[self._name] = self._sums.get(self._name, 0) + rows.square().sum(0)
        self._seen[self._name] = self._seen.get(self._name, 0) + len(rows)
