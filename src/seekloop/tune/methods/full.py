"""Full fine-tuning from its spec."""

from __future__ import annotations

from seekloop.artifact.kinds import Checkpoint
from seekloop.runtime.train.methods.full import Full
from seekloop.system import digests
from seekloop.system.errors import TrainError

__all__ = ["build"]


def build(checkpoint: Checkpoint) -> Full:
    """The method for training `checkpoint`.

    Raises:
        TrainError: it is an adapter, whose base stays as it is.
    """
    if checkpoint.form == "adapter":
        raise TrainError("tune.full_on_adapter", id=digests.short(checkpoint.id))
    return Full()
