"""Full fine-tuning: every weight is trained, and the checkpoint is a whole model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.weights import save_model

__all__ = ["Full"]


@dataclass(frozen=True)
class Full:
    """Trains all weights."""

    form: Form = "full"

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Make every parameter require gradients; nothing is random."""
        for value in model.parameters():
            value.requires_grad_(True)

    def draws(self) -> bool:
        """Never."""
        return False

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write config and weights; returns how many weights they hold."""
        save_model(model, folder)
        return sum(value.numel() for value in model.parameters())
