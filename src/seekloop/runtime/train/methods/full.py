"""Full fine-tuning: every weight is trained, and the checkpoint is a whole model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from seekloop.artifact.kinds import Form
from seekloop.runtime.train.methods.method import is_router
from seekloop.runtime.weights import save_model

__all__ = ["Full"]


@dataclass(frozen=True)
class Full:
    """Trains all weights; routers of experts stay as they are."""

    form: Form = "full"

    def apply(self, model: nn.Module, *, seed: int) -> None:
        """Make every parameter require gradients, but those of routers; nothing is random."""
        for name, value in model.named_parameters():
            value.requires_grad_(not is_router(name))

    def draws(self) -> bool:
        """Never."""
        return False

    def export(self, model: nn.Module, folder: Path) -> int:
        """Write config and weights; returns how many weights they hold."""
        save_model(model, folder)
        return sum(value.numel() for value in model.parameters())
