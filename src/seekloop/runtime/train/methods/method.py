"""What a training method is: how it makes a model trainable, and what it leaves behind. One file a method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from seekloop.artifact.kinds import Form

__all__ = ["Method", "freeze", "is_router", "put_values", "trainable"]


class Method(Protocol):
    """LoRA, full fine-tuning, …"""

    @property
    def form(self) -> Form:
        """Of the checkpoint that it makes."""

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Change `model` in place so that exactly the parameters to train require gradients."""

    def draws(self) -> bool:
        """Whether training draws random numbers, as dropout does: then nothing is shared or done side by side."""

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write the trained weights as the checkpoint's files; returns how many weights they hold."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that require gradients, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def freeze(model: nn.Module) -> None:
    """Make no parameter require gradients."""
    for value in model.parameters():
        value.requires_grad_(False)


def is_router(name: str) -> bool:
    """Whether a parameter decides which experts a token goes to: these stay as they are, whatever is trained."""
    return name.endswith("mlp.gate.weight")


def put_values(parameters: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    """Copy `values` into the trained parameters of the same names.

    Raises:
        ValueError: the names are not exactly those.
    """
    if parameters.keys() != values.keys():
        raise ValueError("the saved parameters are not those that this run trains")
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(value)
