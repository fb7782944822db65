"""Peak memory of a training run, part by part, each with its formula. Pure functions of a config and a load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.model.arithmetic import kept_a_token, parameters
from seekloop.model.shapes import shape_of

__all__ = ["LIBRARIES", "Load", "Part", "kernels", "peak", "total"]

LIBRARIES = 410 * 2**20
"""Resident bytes of a process that has imported torch and transformers and opened a store; measured, torch 2.13 CPU."""
_chunk = 256
"""Labelled positions whose logits exist at one time (`runtime/train/loss.py`)."""
_row_token = 72
"""Bytes of one token of a row in memory: its id and its label, as Python numbers in tuples."""
_unreturned = 0.30
"""Activation bytes that the C allocator holds on to beside those in use, as a share: 0.11 to 0.31 measured, glibc 2.36.

With a thread each, temporaries of the forward pass leave holes between what is kept; mapping every block of its own
brings the share to 0 and the speed down to a quarter."""


_kernel, _kernels = 5 * 2**20, 300 * 2**20
"""Bytes that a micro-batch of a new shape leaves behind, most likely in oneDNN's caches of compiled products, and where
that ends: on the tiny model 190 MiB after 18 steps, 315 after 54, none of it given back."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a run puts into memory."""

    trainable: int
    """Weights that are trained."""
    adapter: bool
    """They are not the model's own, which are frozen."""
    tokens: int
    """Padded tokens that are in the model at one time, over all workers."""
    labelled: int
    """Labelled tokens among them."""
    workers: int = 1
    width: int = 0
    """Numbers of all low-rank products of a token (`arithmetic.adapter_width`)."""
    row_tokens: int = 0
    """Tokens of all rows, which are held as numbers."""
    weight_bytes: float = 4
    """Of one weight of the model while it is trained or frozen."""
    number_bytes: int = 4
    """Of one activation."""
    trained_bytes: int = 12
    """Of one trained weight beside itself: gradient and two AdamW moments."""
    checkpointing: bool = False
    several: bool = False
    """A worker has more than one micro-batch a step: it holds the gradients of one while it computes the next."""
    batches: int = 0
    """Micro-batches of the whole run on a CPU, each of a shape of its own."""
    best: bool = False
    """The best epoch's weights are kept beside the newest."""
    libraries: int = LIBRARIES
    """Bytes of the process before the model is loaded."""
    unreturned: float = _unreturned
    """Share of the activations' bytes that the allocator holds on to beside them."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the peak."""

    name: str
    bytes: int
    formula: str
    """With its numbers."""


def peak(config: Mapping[str, Any], load: Load) -> list[Part]:
    """What is in memory when most is: in the backward pass, either where it begins or where it ends.

    - weights: of the model, and 4 bytes a weight of an adapter;
    - moments: AdamW's two, 4 bytes each (and the gradient: below);
    - gradients: each worker adds up its own, so 4 bytes a trained weight and worker; where the model's own table is
      trained, its gradient stands there once more until head and embedding are added up;
    - activations: `kept_a_token`, for the tokens in the model at one time;
    - head: logits of at most 256 labelled positions a worker, twice in the moment where they become gradients; where
      the table is trained, its gradient before and after scaling;
    - carried: the gradients of the micro-batches before this one, where a worker has several;
    - activations fall while gradients rise, so the larger of (activations + head) and gradients is in the peak, and
      the allocator's holes.

    Raises:
        ModelError: the architecture is not known here, or the config lacks a size.
    """
    shape, own = shape_of(config), parameters(config)
    kept = kept_a_token(config, adapter=load.adapter, width=load.width, checkpointing=load.checkpointing)
    scored = min(load.labelled, _chunk * load.workers)
    table = 0 if load.adapter else shape.vocab * shape.hidden
    activations = round(load.number_bytes * kept * load.tokens)
    logits = 2 * 4 * shape.vocab * scored
    head = logits + 2 * 4 * table * load.workers
    held = round(load.unreturned * activations)
    gradient = load.trained_bytes - 8
    own_sums = gradient * load.trainable * load.workers
    carried = own_sums if load.several else 0
    gradients = own_sums + 2 * 4 * table * load.workers
    extra = 4 * load.trainable if load.adapter else 0
    parts = [
        Part(name="libraries", bytes=load.libraries, formula="the process before the model: measured"),
        Part(name="weights", bytes=round(own * load.weight_bytes), formula=f"{own:,} x {load.weight_bytes:g}"),
        Part(name="adapter", bytes=extra, formula=f"{load.trainable:,} x 4"),
        Part(name="moments", bytes=8 * load.trainable, formula=f"{load.trainable:,} x 8"),
        Part(name="best", bytes=4 * load.trainable * load.best, formula=f"{load.trainable:,} x 4"),
        Part(name="carried", bytes=carried, formula=f"{gradient} x {load.trainable:,} x {load.workers} workers"),
        Part(name="kernels", bytes=kernels(load.batches), formula=f"{load.batches:,} shapes x 5 MiB, at most 300 MiB"),
        Part(name="rows", bytes=_row_token * load.row_tokens, formula=f"{load.row_tokens:,} tokens x {_row_token}"),
    ]
    if activations + head + held >= gradients:
        rows = f"{load.number_bytes} x {kept:,.0f} a token x {load.tokens:,} tokens"
        again = f" + 8 x {table:,} x {load.workers} workers" if table else ""
        parts += [
            Part(name="activations", bytes=activations, formula=rows),
            Part(name="head", bytes=head, formula=f"8 x {shape.vocab:,} x {scored:,} labelled{again}"),
            Part(name="allocator", bytes=held, formula=f"{load.unreturned:g} x activations"),
        ]
    else:
        formula = f"{gradient} x {load.trainable:,} x {load.workers} workers + 8 x {table:,} x {load.workers}"
        parts += [Part(name="gradients", bytes=gradients, formula=formula)]
    return [part for part in parts if part.bytes]


def kernels(batches: int) -> int:
    """Bytes of compiled products after so many micro-batches of different shapes."""
    return min(_kernel * batches, _kernels)


def total(parts: list[Part]) -> int:
    """Bytes of all parts."""
    return sum(part.bytes for part in parts)
