"""Weights and activations on a grid of whole numbers: steps, codes and values.

Every function is pure. A weight [rows, columns] is cut into groups of columns; each group of each row has a step
(scale) and, where the grid is not symmetric, the code that stands for zero. A value is `(code - zero) step`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Grid", "Steps", "codes_of", "fake_tokens", "steps_of", "values_of"]

_tiny = 2.0**-24
"""Smallest step: what fp16 can hold."""
_shares = tuple(1.07 - 0.05 * index for index in range(10))
"""Of a group's range, tried one after the other: clipping a few large values may make all others more exact. Above 1,
the last code of a symmetric grid reaches the largest value itself."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Which whole numbers, and how many weights share a step."""

    bits: int
    group: int | None
    """Columns that share a step; None: all of a row."""
    symmetric: bool = True

    @property
    def lowest(self) -> int:
        """Smallest code."""
        return -(2 ** (self.bits - 1))

    @property
    def highest(self) -> int:
        """Largest code."""
        return 2 ** (self.bits - 1) - 1

    def width(self, columns: int) -> int:
        """Columns of one group."""
        return self.group or columns


@dataclass(frozen=True, kw_only=True)
class Steps:
    """One step for each group of each row."""

    scales: Tensor
    """[rows, groups], fp32 numbers that are exact in the type that they are stored in."""
    zeros: Tensor | None
    """[rows, groups], fp32 whole numbers; None: zero is code 0."""

    def columns(self, begin: int, end: int) -> Steps:
        """Those of some groups."""
        zeros = None if self.zeros is None else self.zeros[:, begin:end]
        return Steps(scales=self.scales[:, begin:end], zeros=zeros)


def steps_of(
    weight: Tensor, grid: Grid, *, stored: torch.dtype, importance: Tensor | None = None, search: bool = True
) -> Steps:
    """The steps that round `weight` with the least squared error, of ten ranges down to 62 % of a group's own.

    Args:
        weight: [rows, columns], fp32; columns divide into groups.
        grid: where to round to.
        stored: type that scales are stored in; they are exact in it.
        importance: [columns], what an error in a column weighs; None: all alike.
        search: whether ranges are searched; otherwise the whole range is kept.
    """
    groups = weight.unflatten(1, (-1, grid.width(weight.shape[1])))
    weights = None if importance is None else importance.view(1, groups.shape[1], groups.shape[2])
    low, high = groups.amin(2).clamp_max(0), groups.amax(2).clamp_min(0)
    best, least = _steps(low, high, grid=grid, stored=stored), None
    for share in _shares if search else ():
        steps = _steps(low * share, high * share, grid=grid, stored=stored)
        error = (_grouped_values(_grouped_codes(groups, grid, steps=steps), steps) - groups).square_()
        loss = (error if weights is None else error.mul_(weights)).sum(2)
        if least is None:
            best, least = steps, loss
            continue
        better = loss < least
        zeros = None if best.zeros is None or steps.zeros is None else torch.where(better, steps.zeros, best.zeros)
        best, least = Steps(scales=torch.where(better, steps.scales, best.scales), zeros=zeros), loss.minimum(least)
    return best


def codes_of(weight: Tensor, grid: Grid, *, steps: Steps) -> Tensor:
    """The nearest codes, [rows, columns], int8."""
    groups = weight.unflatten(1, (steps.scales.shape[1], -1))
    return _grouped_codes(groups, grid, steps=steps).flatten(1).to(torch.int8)


def values_of(codes: Tensor, steps: Steps) -> Tensor:
    """What codes [rows, columns] stand for, fp32."""
    return _grouped_values(codes.float().unflatten(1, (steps.scales.shape[1], -1)), steps).flatten(1)


def fake_tokens(x: Tensor, *, bits: int = 8) -> Tensor:
    """Activations [..., width] rounded token by token to a symmetric grid, with the gradient of `x` itself.

    The step is the largest magnitude over half of all codes, as compressed-tensors has it: 127.5 for 8 bits.
    """
    with torch.no_grad():
        scales = x.abs().amax(-1, keepdim=True) / ((2**bits - 1) / 2)
        scales = torch.where(scales == 0, torch.finfo(x.dtype).eps, scales)
        codes = (x / scales).clamp_(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1).round_()
        moved = codes.mul_(scales)
        if not x.requires_grad:
            return moved
        moved = moved - x
    return x + moved


def _steps(low: Tensor, high: Tensor, *, grid: Grid, stored: torch.dtype) -> Steps:
    """Steps over a range that holds zero; symmetric: the largest magnitude is half a step beyond the last code."""
    count = 2**grid.bits - 1
    if grid.symmetric:
        largest = torch.maximum(-low, high)
        scales = largest / (count / 2 if grid.bits < 8 else grid.highest)
    else:
        scales = (high - low) / count
    scales = scales.clamp_min(_tiny).to(stored).float()
    zeros = None if grid.symmetric else (grid.lowest - low / scales).round_().clamp_(grid.lowest, grid.highest)
    return Steps(scales=scales, zeros=zeros)


def _grouped_codes(groups: Tensor, grid: Grid, *, steps: Steps) -> Tensor:
    codes = groups / steps.scales.unsqueeze(2)
    if steps.zeros is not None:
        codes = codes.add_(steps.zeros.unsqueeze(2))
    return codes.round_().clamp_(grid.lowest, grid.highest)


def _grouped_values(codes: Tensor, steps: Steps) -> Tensor:
    if steps.zeros is not None:
        codes = codes - steps.zeros.unsqueeze(2)
    return codes * steps.scales.unsqueeze(2)
