"""Gradient checkpointing (Chen 2016): keep each layer's input only, and compute the layer again on the way back."""

from __future__ import annotations

from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from seekloop.system.errors import ModelError

__all__ = ["recompute"]


def recompute(model: nn.Module) -> None:
    """Make the model's layers forget what they computed, outside `evaluating`.

    transformers looks at a layer's `training` flag. Only the layers' own flags are set, not those of what is inside
    them, so that the model's own dropout stays off. A layer that is checkpointed takes no cache: nothing is shared.

    Raises:
        ModelError: the architecture has no layers that can do that.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError("train.no_checkpointing", kind=model.config.model_type)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    for layer in layers:
        layer.training = True
