"""What each method trains, counted from a model's config.json alone: weights, and what they add to memory and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from seekloop.model.shapes import Shape, shape_of

__all__ = ["Trained", "bottleneck", "everything", "last_layers", "low_rank", "prefix", "prompt", "scaled"]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The part of a model, or beside it, that a method trains."""

    weights: int
    formula: str
    """Of their number, in words or with its numbers."""
    own: bool = False
    """They are the model's own; else these are frozen."""
    added: int = 0
    """Weights that are in memory beside the model's own."""
    layers: int | None = None
    """Last decoder layers that gradients pass through; what is below is computed once a row. None: all of them."""
    head: bool = False
    """The head is trained."""
    width: float = 0
    """Numbers that are kept of a token until the backward pass, beside those of the layers: inputs of trained products,
    low-rank products."""
    a_row: int = 0
    """Numbers that are kept of each row, whatever its length: keys and values of virtual tokens."""
    operations: float = 0
    """Of a token, forward and backward, beside those of the layers."""
    tokens: int = 0
    """Virtual tokens that go through the layers once in each micro-batch."""


def everything(config: Mapping[str, Any]) -> Trained:
    """Full tuning: every weight but the routers, which stay as they are."""
    shape = shape_of(config)
    own = shape.vocab * shape.hidden * (1 if shape.tied else 2) + sum(one.parameters for one in shape.linears)
    weights = own + shape.others - shape.routers
    frozen = f", the routers' {shape.routers:,} aside" if shape.routers else ""
    return Trained(weights=weights, formula=f"all weights{frozen}", own=True, width=_inputs(shape, bool), head=True)


def low_rank(
    config: Mapping[str, Any], rank_of: Callable[[str], int], *, lengths: bool = False, principal: bool = False
) -> Trained:
    """LoRA: `rank * (inputs + outputs)` a layer (Hu et al. 2021), routed experts left out.

    - DoRA: one length for each output too; it keeps the product before it is scaled;
    - PiSSA: the first A and B stay beside those that are trained.

    Args:
        config: the model's.
        rank_of: the rank at the layer of a name; 0: it is not adapted.
        lengths: whether each output has a trained length of its own (DoRA).
        principal: whether it begins as the principal part of the weights (PiSSA).
    """
    shape = shape_of(config)
    places = [(one, rank_of(name)) for one in shape.linears if not one.expert for name in one.names]
    adapted = [(one, rank) for one, rank in places if rank]
    products = sum(rank * (one.inputs + one.outputs) for one, rank in adapted)
    outputs = sum(one.outputs for one, _ in adapted) if lengths else 0
    ranks = sorted({rank for _, rank in adapted})
    named = f"{ranks[0]}" if len(ranks) == 1 else f"rank ({', '.join(map(str, ranks))})"
    return Trained(
        weights=products + outputs,
        formula=f"{named} x (inputs + outputs) of {len(adapted)} layers" + (" + their outputs" if lengths else ""),
        added=products * (2 if principal else 1) + outputs,
        width=sum(rank for _, rank in adapted) + outputs + _inputs(shape, lambda name: bool(rank_of(name))),
        operations=6 * products,
    )


def scaled(config: Mapping[str, Any], weights: int, *, targets: tuple[str, ...], how: str) -> Trained:
    """An adapter of any other kind, whose weights were counted by building it.

    Args:
        config: the model's.
        weights: counted.
        targets: last parts of the names of the layers that it goes on; their outputs are kept once more (assumption).
        how: who counted.
    """
    linears = [one for one in shape_of(config).linears if one.name in targets and not one.expert]
    outputs = sum(one.count * one.outputs for one in linears)
    return Trained(weights=weights, formula=how, added=weights, width=outputs, operations=6 * weights)


def bottleneck(config: Mapping[str, Any], *, width: int, places: int) -> Trained:
    """Adapter layers: `2 * hidden * width + width + hidden` a place (Houlsby et al. 2019); its input and two inner
    states are kept.

    Args:
        config: the model's.
        width: of the bottleneck.
        places: in each decoder layer: 2 behind attention and MLP, 1 behind the MLP alone.
    """
    shape = shape_of(config)
    count = places * shape.layers
    weights = count * (2 * shape.hidden * width + width + shape.hidden)
    return Trained(
        weights=weights,
        formula=f"{count} x (2 x {shape.hidden:,} x {width} + {width} + {shape.hidden:,})",
        added=weights,
        width=count * (shape.hidden + 2 * width),
        operations=6 * weights,
    )


def prefix(config: Mapping[str, Any], *, tokens: int) -> Trained:
    """Prefix tuning: what attention caches of so many tokens, in every layer (Li and Liang 2021)."""
    shape = shape_of(config)
    weights = shape.layers * tokens * shape.cached
    formula = f"{shape.layers} layers x {tokens} tokens x {shape.cached:,} cached numbers"
    return Trained(weights=weights, formula=formula, added=weights, **_attended(shape, tokens))


def prompt(
    config: Mapping[str, Any],
    *,
    tokens: int,
    encoder: Literal["none", "mlp", "lstm"] = "none",
    inner: int = 0,
) -> Trained:
    """Prompt tuning: an embedding a virtual token (Lester et al. 2021); P-tuning: and their encoder.

    - mlp: `hidden -> inner -> hidden`, with biases;
    - lstm: both ways, four gates of `inner * (hidden + inner + 2)`, and `2 inner -> hidden` with its bias.

    The virtual tokens go through the layers once in each micro-batch.
    """
    shape = shape_of(config)
    hidden = shape.hidden
    sizes = {
        "none": 0,
        "mlp": 2 * hidden * inner + inner + hidden,
        "lstm": 8 * inner * (hidden + inner + 2) + 2 * inner * hidden + hidden,
    }
    weights = tokens * hidden + sizes[encoder]
    formula = f"{tokens} tokens x {hidden:,}" + (f" + {encoder} {sizes[encoder]:,}" if sizes[encoder] else "")
    return Trained(weights=weights, formula=formula, added=weights, tokens=tokens, **_attended(shape, tokens))


def last_layers(config: Mapping[str, Any], *, last: int, head: bool) -> Trained:
    """The last decoder layers with the norm behind them, routers aside, and the head where it is asked for."""
    shape = shape_of(config)
    begin = shape.layers - last
    linears = sum(one.each * one.weights * sum(layer >= begin for layer in one.layers) for one in shape.linears)
    table = shape.vocab * shape.hidden if head else 0
    weights = linears + last * shape.norms + shape.hidden + table
    formula = f"{last} of {shape.layers} layers with their norms: {linears + last * shape.norms:,} + {shape.hidden:,}"
    return Trained(
        weights=weights,
        formula=formula + (f" + the head's {table:,}" if head else ""),
        own=True,
        added=table if shape.tied else 0,
        width=_inputs(shape, lambda name: int(name.split(".")[2]) >= begin),
        layers=last,
        head=head,
    )


def _inputs(shape: Shape, trains: Callable[[str], bool]) -> float:
    """Numbers of a token that enter products whose gradients need them: those that share an input share it here.

    What enters `o_proj` attention keeps itself, and what enters an expert is kept where it was sent there.
    """
    found = {
        (name.rpartition(".")[0], one.inputs, one.name if one.name.endswith("b_proj") else "")
        for one in shape.linears
        if one.name != "o_proj" and not one.expert
        for name in one.names
        if trains(name)
    }
    inside = sum(
        one.each * one.used * one.inputs * sum(trains(name) for name in one.names)
        for one in shape.linears
        if one.expert and one.name == "down_proj"
    )
    return sum(inputs for _, inputs, _ in found) + inside


def _attended(shape: Shape, tokens: int) -> dict[str, Any]:
    """What virtual tokens cost where real ones attend to them.

    Each row holds their keys and values in every layer. A token's scores and their use: `2 D` operations a virtual
    token and layer forward, twice that backward.
    """
    return {
        "a_row": shape.layers * tokens * (shape.attention - shape.heads_width),
        "operations": 6.0 * shape.layers * tokens * shape.heads_width,
    }
