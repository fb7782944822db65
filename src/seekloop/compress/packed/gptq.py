"""GPTQ (Frantar et al. 2023): columns are rounded one by one, and each error is made up for by those to come."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seekloop.compress.packed.layers import Moment
from seekloop.runtime.rounding import Grid, Steps, steps_of

__all__ = ["Factor", "factor_of", "gptq"]

_block = 128
"""Columns whose errors are carried to the rest in one product; groups lie whole inside."""


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What GPTQ needs to know of a layer's inputs."""

    order: Tensor
    """[columns], in which they are rounded."""
    upper: Tensor
    """[columns, columns], upper Cholesky factor of the inverse Hessian, in that order."""
    importance: Tensor
    """[columns], mean square of the inputs, in the file's order."""


def factor_of(moment: Moment, *, damping: float, act_order: bool) -> Factor:
    """Order and factor of `H = X X' / n + damping mean(diag) I`; damped ten times as much until it has one.

    A column that no input ever touched gets the mean: it is rounded to the nearest.
    """
    hessian = moment.products / max(1, moment.count)
    importance = hessian.diagonal().clone()
    mean = importance.mean().clamp_min(torch.finfo(torch.float32).tiny)
    order = importance.argsort(descending=True, stable=True) if act_order else torch.arange(len(importance))
    hessian = hessian[order][:, order]
    hessian.diagonal().add_(torch.where(importance[order] == 0, mean, 0))
    while True:
        damped = hessian.clone()
        damped.diagonal().add_(damping * mean)
        lower, first = torch.linalg.cholesky_ex(damped)
        if not first:
            upper, second = torch.linalg.cholesky_ex(torch.cholesky_inverse(lower), upper=True)
            if not second:
                return Factor(order=order, upper=upper, importance=importance)
        damping *= 10


def gptq(weight: Tensor, factor: Factor, *, grid: Grid, stored: torch.dtype, act_order: bool) -> tuple[Tensor, Steps]:
    """Codes [rows, columns], int8, and their steps.

    With `act_order` the steps are those of the weight as it was, so that groups stay groups of neighbouring columns;
    otherwise a group's steps are taken when its first column is reached, errors of all columns before it included.

    Args:
        weight: [rows, columns], fp32.
        factor: of its inputs.
        grid: where to round to.
        stored: type that scales are stored in.
        act_order: as the factor was made.
    """
    rows, columns = weight.shape
    width = grid.width(columns)
    left, codes = weight[:, factor.order].clone(), torch.empty(rows, columns)
    steps = steps_of(weight, grid, stored=stored, importance=factor.importance, search=grid.bits < 8)
    late = not act_order and width <= _block
    for begin in range(0, columns, _block):
        end = min(begin + _block, columns)
        block, errors = left[:, begin:end], torch.empty(rows, end - begin)
        upper = factor.upper[begin:end, begin:end]
        for index in range(end - begin):
            column = int(factor.order[begin + index])
            if late and column % width == 0:
                part = block[:, index : index + width]
                importance = factor.importance[column : column + width]
                _put(steps, column // width, new=steps_of(part, grid, stored=stored, importance=importance))
            scale = steps.scales[:, column // width]
            zero = 0 if steps.zeros is None else steps.zeros[:, column // width]
            code = (block[:, index] / scale + zero).round_().clamp_(grid.lowest, grid.highest)
            error = (block[:, index] - (code - zero) * scale) / upper[index, index]
            block[:, index:].addr_(error, upper[index, index:], alpha=-1)
            codes[:, column], errors[:, index] = code, error
        left[:, end:].addmm_(errors, factor.upper[begin:end, end:], alpha=-1)
    return codes.to(torch.int8), steps


def _put(steps: Steps, group: int, *, new: Steps) -> None:
    steps.scales[:, group] = new.scales[:, 0]
    if steps.zeros is not None and new.zeros is not None:
        steps.zeros[:, group] = new.zeros[:, 0]
