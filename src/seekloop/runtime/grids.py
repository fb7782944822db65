"""The grids of storage formats: what each weight is once it was stored in few bits and read again, in torch.

GGUF's blocks are rounded as ggml's reference does, to the bit: the same codes and scales that `compress` writes. Rows
of a weight are rounded apart from each other, so the order of rows means nothing. What is on a grid already stays
there, so a rounded weight can be stored without another loss.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from seekloop.system.errors import ModelError

__all__ = ["BLOCK", "Grid", "Target", "grid_of", "on_grid", "read_target", "width", "write_target"]

Grid = Literal["f32", "f16", "q8_0", "q4_1", "q4_0", "int8", "int4"]
"""`q…`: blocks of GGUF; `int…`: whole numbers with a scale a group, as compressed-tensors holds them."""
BLOCK = 32
"""Weights that share a scale in GGUF."""
_piece = 2**17
"""Weights that are rounded at one time: what is needed in between stays in the processor's cache."""
_largest = torch.finfo(torch.float32).max
_below_half = 0.49999997
"""The number before one half: added to a magnitude before it is cut, it rounds halves up and nothing else."""
_tables = ("embed_tokens.weight", "lm_head.weight")
_note = "quantised_for.json"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The storage that a model is trained for."""

    precision: Grid
    """Of the matrices in the layers."""
    embedding: Grid
    """Of the token embedding and the output head."""
    group: int = 128
    """Weights of a row that share a scale, for `int4`; `int8` has one a row."""

    def grid(self, *, table: bool) -> Grid:
        """Of the embedding and head, or of a matrix in the layers."""
        return self.embedding if table else self.precision


def width(grid: Grid, *, group: int, columns: int) -> int:
    """Weights that share a scale, in rows of `columns`; 1: none do."""
    match grid:
        case "f32" | "f16":
            return 1
        case "int8":
            return columns
        case "int4":
            return group
        case _:
            return BLOCK


def grid_of(name: str, target: Target) -> Grid:
    """The grid of a tensor, by its name in a checkpoint; vectors and routers of experts stay as they are."""
    return target.grid(table=name.endswith(_tables))


def on_grid(weight: Tensor, grid: Grid, *, group: int = 128, out: Tensor | None = None) -> Tensor:
    """`weight` as it is once it was stored and read again.

    Args:
        weight: [rows, columns], fp32, contiguous; columns divide into blocks.
        grid: the format.
        group: weights that share a scale, for `int4`.
        out: where to write it, of the same shape; None: a new tensor.

    Returns:
        [rows, columns], fp32.

    Raises:
        ValueError: columns do not divide into blocks.
    """
    size = width(grid, group=group, columns=weight.shape[-1])
    if weight.shape[-1] % size:
        raise ValueError(f"{weight.shape[-1]} columns do not divide into blocks of {size}")
    out = torch.empty_like(weight) if out is None else out
    if grid == "f32":
        return out.copy_(weight)
    if grid == "f16":
        return out.copy_(weight.half())
    work = _rounding[grid]
    blocks, rounded = weight.view(-1, size), out.view(-1, size)
    step = max(1, _piece // size)
    for part, place in zip(blocks.split(step), rounded.split(step), strict=True):
        work(part, place)
    return out


def write_target(folder: Path, target: Target) -> None:
    """Write beside weights what they were trained for: whoever reads them rounds them."""
    (folder / _note).write_text(json.dumps(asdict(target), indent=2, sort_keys=True) + "\n", "utf-8")


def read_target(folder: Path) -> Target | None:
    """What the weights in `folder` were trained for; None: they are what they are.

    Raises:
        ModelError: it is a format that is not known here.
    """
    path = folder / _note
    if not path.is_file():
        return None
    value = json.loads(path.read_text("utf-8"))
    for grid in (value["precision"], value["embedding"]):
        if grid not in ("f32", "f16", *_rounding):
            raise ModelError("train.base_storage", format=grid, where=path)
    return Target(**value)


def _q8_0(blocks: Tensor, out: Tensor) -> None:
    """127 steps for the largest magnitude; halves away from zero."""
    _even(blocks, out, steps=127, away=True)


def _int8(blocks: Tensor, out: Tensor) -> None:
    _even(blocks, out, steps=127, away=False)


def _int4(blocks: Tensor, out: Tensor) -> None:
    _even(blocks, out, steps=7, away=False)


def _even(blocks: Tensor, out: Tensor, *, steps: int, away: bool) -> None:
    """As many steps on one side of zero as on the other."""
    largest = torch.maximum(blocks.amax(1, keepdim=True), blocks.amin(1, keepdim=True).neg_())
    step = largest.abs_().div_(steps)  # a block of zeros has no sign
    torch.mul(blocks, _inverse(step), out=out)
    if away:
        codes = out.add_(torch.copysign(torch.tensor(_below_half), out)).to(torch.int8)
    else:
        codes = out.round_().to(torch.int8)
    torch.mul(codes, _half(step), out=out)


def _q4_0(blocks: Tensor, out: Tensor) -> None:
    """8 steps for the value of largest magnitude, the first of them where there are two; 7 on the other side."""
    most, least = blocks.amax(1, keepdim=True), blocks.amin(1, keepdim=True)
    largest = torch.where(most > -least, most, least)
    tied = (most == -least).squeeze(1)
    if tied.any():
        these = blocks[tied]
        largest[tied] = these.gather(1, these.abs().argmax(1, keepdim=True))
    step = largest.div_(-8)
    torch.mul(blocks, _inverse(step), out=out)
    codes = out.add_(8.5).clamp_(0, 15).to(torch.uint8).to(torch.float32).sub_(8)
    torch.mul(codes, _half(step), out=out)


def _q4_1(blocks: Tensor, out: Tensor) -> None:
    """15 steps from the least to the greatest value."""
    most, least = blocks.amax(1, keepdim=True), blocks.amin(1, keepdim=True)
    step = most.sub_(least).div_(15)
    torch.sub(blocks, least, out=out)
    codes = out.mul_(_inverse(step)).add_(0.5).clamp_(0, 15).to(torch.uint8)
    # Two roundings, as in the reference: fused, the last bit would differ.
    torch.mul(codes, _half(step), out=out).add_(_half(least))


def _inverse(step: Tensor) -> Tensor:
    """1 / step; 0 where there is no step. One that is too small for that is 0 in fp16, and so are its values."""
    return torch.where(step == 0, 0.0, step.reciprocal()).clamp_(-_largest, _largest)


def _half(scale: Tensor) -> Tensor:
    return scale.half().float()


_rounding: dict[str, Callable[[Tensor, Tensor], None]] = {
    "q8_0": _q8_0,
    "q4_1": _q4_1,
    "q4_0": _q4_0,
    "int8": _int8,
    "int4": _int4,
}
