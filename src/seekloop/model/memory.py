"""Peak memory of a training run, part by part, each with its formula. Pure functions of a config and a load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seekloop.model.arithmetic import kept_a_token, parameters
from seekloop.model.shapes import shape_of
from seekloop.model.trained import Trained

__all__ = ["CHUNK", "LIBRARIES", "Load", "Part", "kernels", "peak", "total"]

LIBRARIES = 410 * 2**20
"""Resident bytes of a process that has imported torch and transformers and opened a store; measured, torch 2.13 CPU."""
CHUNK = 256
"""Labelled positions of a worker whose logits exist at one time: 50 MB at a vocabulary of 49,152."""
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

    trained: Trained
    """What the method trains."""
    tokens: int
    """Padded tokens that are in the model at one time, over all workers."""
    labelled: int
    """Labelled tokens among them."""
    workers: int = 1
    rows: int = 0
    """Rows that are in the model at one time, over all workers."""
    row_tokens: int = 0
    """Tokens of all rows, which are held as numbers."""
    states: int = 0
    """Bytes of what frozen layers computed of all rows, where it is kept in memory."""
    weight_bytes: float = 4
    """Of one weight of the model while it is trained or frozen."""
    number_bytes: int = 4
    """Of one activation."""
    rounded: int = 0
    """Weights whose rounded values are kept beside them, in fp32."""
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

    - weights: of the model, and 4 bytes a weight of what is added to it;
    - unpacked: the largest linear layer of each worker in fp32, where the base is in fewer than two bytes a weight;
    - rounded: 4 bytes for each weight that is rounded to a storage format where it is used;
    - states: of frozen layers, kept for later epochs;
    - moments: AdamW's two, 4 bytes each (and the gradient: below);
    - gradients: each worker adds up its own, so 4 bytes a trained weight and worker; where the model's own table is
      trained, its gradient stands there once more until head and embedding are added up;
    - activations: `kept_a_token`, for the tokens in the model at one time, virtual ones among them; and what is kept of
      each row;
    - head: logits of at most 256 labelled positions a worker, twice in the moment where they become gradients; where
      the table is trained, its gradient before and after scaling;
    - carried: the gradients of the micro-batches before this one, where a worker has several;
    - activations fall while gradients rise, so the larger of (activations + head) and gradients is in the peak, and
      the allocator's holes.

    Raises:
        ModelError: the architecture is not known here, or the config lacks a size.
    """
    shape, own, trained = shape_of(config), parameters(config), load.trained
    kept = kept_a_token(config, trained, checkpointing=load.checkpointing)
    tokens = load.tokens + load.workers * trained.tokens
    scored = min(load.labelled, CHUNK * load.workers)
    table = shape.vocab * shape.hidden if trained.head else 0
    activations = round(load.number_bytes * (kept * tokens + trained.a_row * load.rows))
    head = 2 * 4 * shape.vocab * scored + 2 * 4 * table * load.workers
    held = round(load.unreturned * activations)
    gradient = load.trained_bytes - 8
    own_sums = gradient * trained.weights * load.workers
    carried = own_sums if load.several else 0
    gradients = own_sums + 2 * 4 * table * load.workers
    largest = max(one.inputs * one.outputs for one in shape.linears) if load.weight_bytes < 2 else 0
    parts = [
        Part(name="libraries", bytes=load.libraries, formula="the process before the model: measured"),
        Part(name="weights", bytes=round(own * load.weight_bytes), formula=f"{own:,} x {load.weight_bytes:g}"),
        Part(name="unpacked", bytes=4 * largest * load.workers, formula=f"4 x {largest:,} x {load.workers} workers"),
        Part(name="adapter", bytes=4 * trained.added, formula=f"{trained.added:,} x 4"),
        Part(name="rounded", bytes=4 * load.rounded, formula=f"{load.rounded:,} x 4"),
        Part(name="moments", bytes=8 * trained.weights, formula=f"{trained.weights:,} x 8"),
        Part(name="best", bytes=4 * trained.weights * load.best, formula=f"{trained.weights:,} x 4"),
        Part(name="carried", bytes=carried, formula=f"{gradient} x {trained.weights:,} x {load.workers} workers"),
        Part(name="kernels", bytes=kernels(load.batches), formula=f"{load.batches:,} shapes x 5 MiB, at most 300 MiB"),
        Part(name="states", bytes=load.states, formula=f"{load.row_tokens:,} tokens x {shape.hidden:,} numbers"),
        Part(name="rows", bytes=_row_token * load.row_tokens, formula=f"{load.row_tokens:,} tokens x {_row_token}"),
    ]
    if activations + head + held >= gradients:
        rows = f"{load.number_bytes} x {kept:,.0f} a token x {tokens:,} tokens"
        rows += f" + {load.number_bytes} x {trained.a_row:,} a row x {load.rows:,} rows" if trained.a_row else ""
        again = f" + 8 x {table:,} x {load.workers} workers" if table else ""
        parts += [
            Part(name="activations", bytes=activations, formula=rows),
            Part(name="head", bytes=head, formula=f"8 x {shape.vocab:,} x {scored:,} labelled{again}"),
            Part(name="allocator", bytes=held, formula=f"{load.unreturned:g} x activations"),
        ]
    else:
        formula = f"{gradient} x {trained.weights:,} x {load.workers} workers + 8 x {table:,} x {load.workers}"
        parts += [Part(name="gradients", bytes=gradients, formula=formula)]
    return [part for part in parts if part.bytes]


def kernels(batches: int) -> int:
    """Bytes of compiled products after so many micro-batches of different shapes."""
    return min(_kernel * batches, _kernels)


def total(parts: list[Part]) -> int:
    """Bytes of all parts."""
    return sum(part.bytes for part in parts)
