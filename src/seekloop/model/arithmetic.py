"""Memory and time before a run, from a model's config.json: counting, not measuring. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from seekloop.model.shapes import Shape, shape_of

__all__ = ["adapter_parameters", "adapter_width", "kept_a_token", "parameters", "train_seconds"]


def parameters(config: Mapping[str, Any]) -> int:
    """Weights of a model: embeddings + linear layers + norms and routers + head, the head only where it is not tied.

    V3's next-token-prediction modules are left out, as transformers leaves them out.

    Raises:
        ModelError: the architecture is not known here, or the config lacks a size.
    """
    shape = shape_of(config)
    tables = shape.vocab * shape.hidden * (1 if shape.tied else 2)
    return tables + sum(linear.parameters for linear in shape.linears) + shape.others


def adapter_parameters(config: Mapping[str, Any], *, rank: int, targets: Collection[str]) -> int:
    """Weights of a LoRA adapter: `rank * (inputs + outputs)` a target layer (Hu et al. 2021), routed experts left out.

    Raises:
        ModelError: as for `parameters`.
    """
    linears = [linear for linear in shape_of(config).linears if linear.name in targets and not linear.expert]
    return sum(linear.count * rank * (linear.inputs + linear.outputs) for linear in linears)


def adapter_width(config: Mapping[str, Any], *, rank: int, targets: Collection[str]) -> int:
    """Numbers that all low-rank products of one token have together: `rank` a target layer.

    Raises:
        ModelError: as for `parameters`.
    """
    linears = shape_of(config).linears
    return rank * sum(linear.count for linear in linears if linear.name in targets and not linear.expert)


def kept_a_token(config: Mapping[str, Any], *, adapter: bool, width: int = 0, checkpointing: bool = False) -> float:
    """Numbers that the layers keep for one token until the backward pass; times 4 in fp32: bytes of activations.

    A layer keeps `n*H + A + 4*F` numbers, where H is the hidden width, A what attention keeps, F the feed-forward
    width, and n is 6 in full training (both norms: input, normalised, output) and 4 where norms are frozen. An adapter
    keeps its low-rank products too. With checkpointing each layer keeps H, and one layer is whole.

    The counts were compared with what PyTorch's autograd saves for a Llama layer: they agree within 3 %.

    Args:
        config: the model's.
        adapter: the model's own weights are frozen.
        width: numbers that all low-rank products of a token have together: rank times adapted layers.
        checkpointing: whether activations are computed again in the backward pass.

    Raises:
        ModelError: as for `parameters`.
    """
    shape = shape_of(config)
    layer = (4 if adapter else 6) * shape.hidden + shape.attention + 4 * shape.feed_forward
    kept = layer + shape.hidden * shape.layers if checkpointing else layer * shape.layers
    return kept + width


def train_seconds(
    config: Mapping[str, Any],
    *,
    trainable: int,
    tokens: int,
    labelled: int,
    row_tokens: float,
    flops: float,
    checkpointing: bool = False,
) -> float:
    """Seconds of training, as multiply-adds done over multiply-adds a second (2 operations each).

    - linear layers: `2 * W` operations a token forward and `2 * W` backward for the input's gradient, W being the
      weights that a token passes through; another `2 * W` where the weights themselves are trained;
    - adapters: `6` operations a trainable weight and token;
    - attention: `2 * D * L/2` a token and layer forward (causal, so half of the row of length L), twice that backward,
      D being the width of all heads' queries and values;
    - head: as linear layers, for labelled tokens only;
    - checkpointing: one more forward pass through the layers.

    Args:
        config: the model's.
        trainable: weights that are trained.
        tokens: of all epochs, padding included.
        labelled: of all epochs.
        row_tokens: mean length of a row.
        flops: operations a second that this machine reaches in float32 matrix products.
        checkpointing: whether activations are computed again in the backward pass.

    Raises:
        ModelError: as for `parameters`.
    """
    shape = shape_of(config)
    adapter = trainable < parameters(config)
    passes = 2 if adapter else 3
    forward = 2 * _passed(shape) + shape.layers * shape.heads_width * row_tokens
    body = 2 * _passed(shape) * passes + 3 * shape.layers * shape.heads_width * row_tokens
    body += 6 * trainable if adapter else 0
    body += forward if checkpointing else 0
    return (tokens * body + labelled * 2 * shape.vocab * shape.hidden * passes) / flops


def _passed(shape: Shape) -> float:
    """Weights of the linear layers that one token passes through."""
    return sum(linear.parameters * linear.used for linear in shape.linears)
