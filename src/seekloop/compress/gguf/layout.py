"""What an architecture's place in GGUF is made of: hyperparameters, and tensors made of a checkpoint's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seekloop.compress.weights import Array
from seekloop.system.errors import ModelError

__all__ = ["Layout", "Pairs", "Piece", "Shapes", "Target", "as_it_is", "copied", "expert_of", "key_heads", "stacked"]

Shapes = Mapping[str, tuple[int, ...]]
"""Of a checkpoint's tensors, by name."""
Pairs = dict[str, int | float | str | bool]

_expert = re.compile(r"(model\.layers\.\d+\.mlp\.experts)\.(\d+)\.(gate|up|down)_proj\.weight")


def as_it_is(tensor: Array) -> Array:
    """The tensor itself."""
    return tensor


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a GGUF tensor, made from one tensor of the checkpoint."""

    source: str
    shape: tuple[int, ...]
    """As it lies in the GGUF tensor."""
    take: Callable[[Array], Array] = as_it_is
    """Linear in its argument: what an adapter changes goes the same way."""
    added: float = 0.0
    """What every value is stored more by: norms that multiply by one more than they hold."""
    keeps_columns: bool = True
    """Whether its columns are the source's: then they meet the same activations."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A tensor of the file: its pieces behind one another along the first axis."""

    name: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...] = ()
    constant: Array | None = None
    """Where no checkpoint holds it."""
    exact: bool = False
    """Whether it stays fp32 in every form: vectors, and routers of experts."""


class Layout(Protocol):
    """One model's place in GGUF."""

    @property
    def architecture(self) -> str:
        """`general.architecture`."""

    @property
    def pairs(self) -> Pairs:
        """Hyperparameters under their GGUF keys, without the architecture's prefix."""

    def targets(self, shapes: Shapes) -> list[Target]:
        """Every tensor of the file, in any order.

        Raises:
            ModelError: a tensor of the checkpoint has no place in this architecture.
        """


def copied(name: str, source: str, *, shapes: Shapes, **more: Any) -> Target:
    """A tensor that is one of the checkpoint's, with what `Piece` takes besides."""
    shape = shapes[source]
    piece = Piece(source=source, shape=shape, **more)
    return Target(name=name, shape=shape, pieces=(piece,), exact=len(shape) == 1)


def expert_of(source: str) -> tuple[str, int, str] | None:
    """The experts' common prefix, the expert's number and its part; None: no weight of an expert."""
    match = _expert.fullmatch(source)
    return (match[1], int(match[2]), match[3]) if match else None


def stacked(shapes: Shapes) -> list[Target]:
    """The experts' matrices: those of a layer in one tensor each.

    Raises:
        ModelError: an expert is missing.
    """
    found: dict[tuple[str, str], dict[int, str]] = {}
    for source in shapes:
        if place := expert_of(source):
            prefix, number, part = place
            found.setdefault((prefix, part), {})[number] = source
    targets = []
    for (prefix, part), sources in found.items():
        ordered = [sources.get(number) for number in range(len(sources))]
        first = shapes[next(iter(sources.values()))]
        if None in ordered:
            raise ModelError("compress.expert_missing", name=f"{prefix}.{ordered.index(None)}.{part}_proj.weight")
        pieces = tuple(Piece(source=source, shape=(1, *first), take=_lifted) for source in ordered if source)
        layer = prefix.split(".")[2]
        targets.append(Target(name=f"blk.{layer}.ffn_{part}_exps.weight", shape=(len(pieces), *first), pieces=pieces))
    return targets


def key_heads(config: Mapping[str, Any]) -> int:
    """Heads of keys and values."""
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def _lifted(tensor: Array) -> Array:
    return tensor[np.newaxis]
