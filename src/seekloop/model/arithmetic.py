"""Memory and time before a run, from a model's config.json: counting, not measuring. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.model.shapes import Shape, shape_of
from seekloop.model.trained import Trained

__all__ = ["ALONE", "PASS_TOKENS", "Amount", "kept_a_token", "parameters", "train_seconds"]

ALONE = 2**28
"""Trained weights beyond which one worker computes alone: each worker's own gradients (1 GiB) would be too much."""
PASS_TOKENS = 48
"""What one more pass through the model costs, in tokens: 0.17 s beside 3.5 ms a token on SmolLM2-135M, one core."""


def parameters(config: Mapping[str, Any]) -> int:
    """Weights of a model: embeddings + linear layers + norms and routers + head, the head only where it is not tied.

    V3's next-token-prediction modules are left out, as transformers leaves them out.

    Raises:
        ModelError: the architecture is not known here, or the config lacks a size.
    """
    shape = shape_of(config)
    tables = shape.vocab * shape.hidden * (1 if shape.tied else 2)
    return tables + sum(linear.parameters for linear in shape.linears) + shape.others


def kept_a_token(config: Mapping[str, Any], trained: Trained, *, checkpointing: bool = False) -> float:
    """Numbers that the layers keep for one token until the backward pass; times 4 in fp32: bytes of activations.

    A layer keeps `n*H + A + 3*F + E` numbers, where H is the hidden width, A what attention keeps, F the feed-forward
    width, E what goes to routed experts and comes back, and n is 4 where its norms are trained (both: input,
    normalised) and 2 where they are frozen. What is trained keeps its `width` too, inputs of trained products among it.
    With checkpointing each layer keeps H, and one layer is whole.

    The counts were compared with what PyTorch's autograd saves, method by method: within 2 %, 20 % where
    experts themselves are trained.

    Args:
        config: the model's.
        trained: by the method. Layers that no gradient passes through keep nothing.
        checkpointing: whether activations are computed again in the backward pass.

    Raises:
        ModelError: as for `parameters`.
    """
    shape = shape_of(config)
    layers = shape.layers if trained.layers is None else trained.layers
    layer = (4 if trained.own else 2) * shape.hidden + shape.attention + 3 * shape.feed_forward + shape.routed
    kept = layer * layers + trained.width
    return kept / max(1, layers) + shape.hidden * layers if checkpointing else kept


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What a run computes."""

    tokens: int
    """Of all epochs, padding included."""
    labelled: int
    """Of all epochs."""
    row_tokens: float
    """Mean length of a row."""
    epochs: int = 1
    """Times that a row is seen: what is computed once a row is so much less."""
    batches: int = 0
    """Micro-batches of all epochs."""


def train_seconds(
    config: Mapping[str, Any], trained: Trained, *, amount: Amount, flops: float, checkpointing: bool = False
) -> float:
    """Seconds of training, as multiply-adds done over multiply-adds a second (2 operations each).

    - linear layers: `2 * W` operations a token forward and `2 * W` backward for the input's gradient, W being the
      weights that a token passes through; another `2 * W` where the weights themselves are trained;
    - what is trained beside them: its own operations a token (`model/trained.py`); virtual tokens, once a micro-batch;
    - attention: `2 * D * L/2` a token and layer forward (causal, so half of the row of length L), twice that backward,
      D being the width of all heads' queries and values;
    - head: as linear layers, for labelled tokens only;
    - layers below those that are trained: forward only, once a row;
    - checkpointing: one more forward pass through the layers.

    Args:
        config: the model's.
        trained: by the method.
        amount: what is computed.
        flops: operations a second that this machine reaches in float32 matrix products.
        checkpointing: whether activations are computed again in the backward pass.

    Raises:
        ModelError: as for `parameters`.
    """
    shape = shape_of(config)
    upper = shape.layers if trained.layers is None else trained.layers
    scores = shape.heads_width * amount.row_tokens
    above = _passed(shape, range(shape.layers - upper, shape.layers))
    below = 2 * _passed(shape, range(shape.layers - upper)) + (shape.layers - upper) * scores
    body = 2 * above * (3 if trained.own else 2) + 3 * upper * scores
    body += 2 * above + upper * scores if checkpointing else 0
    everything = amount.tokens * (body + trained.operations) + amount.tokens / amount.epochs * below
    everything += amount.batches * trained.tokens * body
    everything += amount.labelled * 2 * shape.vocab * shape.hidden * (3 if trained.head else 2)
    return everything / flops


def _passed(shape: Shape, layers: range) -> float:
    """Weights of the linear layers that one token passes through in these decoder layers."""
    return sum(
        one.each * one.inputs * one.outputs * one.used * sum(layer in layers for layer in one.layers)
        for one in shape.linears
    )
