"""Scales for blocks of few bits: a grid of steps is tried, and each is set right by weighted least squares.

For given whole numbers q, the step `a` (and offset `b`) that bring `a q - b` nearest to x in the mean of weighted
squares have a closed form; for a given step the nearest q has one too. Of several starting steps, after a turn of each,
the best is kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seekloop.compress.weights import Array

__all__ = ["fit_affine", "fit_codes", "fit_signed", "nearest_code", "plain_affine", "plain_signed"]

_tries = np.linspace(-0.12, 0.12, 9, dtype=np.float32)
"""Starting steps, relative to the one that just spans a block."""
_tiny = np.float32(1e-30)
_fine = 4
"""Steps between two whole numbers at which the nearest code is looked up."""

_Rounding = Callable[[Array], Array]


def plain_affine(x: Array, *, top: int) -> tuple[Array, Array]:
    """The step and offset that span each row of x from the lesser of 0 and its least value to its greatest, or 0.

    Args:
        x: [rows, values].
        top: largest whole number.

    Returns:
        step [rows] and offset [rows], neither negative: x is about `step q - offset`.
    """
    least, most = np.minimum(x.min(-1), 0), np.maximum(x.max(-1), 0)
    return (most - least) / np.float32(top), -least


def plain_signed(x: Array, *, lowest: int) -> Array:
    """The step, of either sign, at which the value of largest magnitude is `lowest` steps. [rows, values] -> [rows]."""
    furthest = np.take_along_axis(x, np.abs(x).argmax(-1)[:, None], -1)[:, 0]
    return furthest / np.float32(lowest)


def fit_affine(x: Array, weight: Array, *, top: int) -> tuple[Array, Array]:
    """The steps and offsets of least weighted squared error among those tried.

    Args:
        x: [rows, values].
        weight: the same shape, positive.
        top: largest whole number.

    Returns:
        As `plain_affine`.
    """
    step, offset = plain_affine(x, top=top)
    start, base = step, offset[:, None]
    best = _error(x, weight, step=step, offset=offset, top=top)
    total, with_x = weight.sum(-1), np.einsum("ij,ij->i", weight, x)
    for change in _tries:
        inverse = 1 / np.maximum(start * (1 + change), _tiny)
        q = np.clip(np.rint((x + base) * inverse[:, None]), 0, top)
        weighted = weight * q
        first, second, mixed = weighted.sum(-1), np.einsum("ij,ij->i", weighted, q), np.einsum("ij,ij->i", weighted, x)
        determinant = total * second - first * first
        solvable = determinant > 1e-6 * total * second
        safe = np.where(solvable, determinant, 1)
        found = np.where(solvable, (total * mixed - first * with_x) / safe, start)
        below = np.where(solvable, (first * mixed - second * with_x) / safe, offset)
        # A positive least value has no offset in these formats: the line then goes through zero.
        through_zero = below < 0
        found = np.where(through_zero, mixed / np.maximum(second, _tiny), found)
        below = np.maximum(below, 0)
        error = _error(x, weight, step=found, offset=below, top=top)
        better = (error < best) & (found > 0)
        step, offset = np.where(better, found, step), np.where(better, below, offset)
        best = np.where(better, error, best)
    return step.astype(np.float32), offset.astype(np.float32)


def fit_signed(x: Array, weight: Array, *, lowest: int) -> Array:
    """The steps of least weighted squared error among those tried, for whole numbers `lowest` to `-lowest - 1`.

    Args:
        x: [rows, values].
        weight: the same shape, positive.
        lowest: a negative number.

    Returns:
        [rows], of either sign.
    """
    return _fit_line(
        x, weight, start=plain_signed(x, lowest=lowest), nearest=lambda y: np.clip(np.rint(y), lowest, -lowest - 1)
    )


def fit_codes(x: Array, weight: Array, *, codes: Array) -> Array:
    """As `fit_signed`, for a table of codes in ascending order whose first is the largest in magnitude."""
    start = plain_signed(x, lowest=int(codes[0]))
    return _fit_line(x, weight, start=start, nearest=lambda y: codes[nearest_code(y, codes)])


def nearest_code(y: Array, codes: Array) -> npt.NDArray[np.uint8]:
    """Places of the entries of `codes` that are nearest, to an eighth; the shape of y.

    Args:
        y: any values.
        codes: in ascending order, of magnitudes to 128.
    """
    grid = np.arange(-128 * _fine, 128 * _fine + 1, dtype=np.float32) / _fine
    table = np.searchsorted((codes[1:] + codes[:-1]) / 2, grid).astype(np.uint8)
    return table[np.rint(np.clip(y, -128, 128) * _fine).astype(np.int16) + 128 * _fine]


def _fit_line(x: Array, weight: Array, *, start: Array, nearest: _Rounding) -> Array:
    step, best = start, None
    for change in (np.float32(0), *_tries):
        tried = start * (1 + change)
        q = nearest(x * _inverse(tried)[:, None])
        weighted = weight * q
        squares = np.einsum("ij,ij->i", weighted, q)
        found = np.where(squares > 0, np.einsum("ij,ij->i", weighted, x) / np.maximum(squares, _tiny), start)
        rest = x - found[:, None] * q
        error = np.einsum("ij,ij,ij->i", weight, rest, rest)
        if best is None:
            step, best = found, error
            continue
        better = error < best
        step, best = np.where(better, found, step), np.where(better, error, best)
    return step.astype(np.float32)


def _error(x: Array, weight: Array, *, step: Array, offset: Array, top: int) -> Array:
    shifted = x + offset[:, None]
    q = np.clip(np.rint(shifted * (1 / np.maximum(step, _tiny))[:, None]), 0, top)
    rest = shifted - step[:, None] * q
    found: Array = np.einsum("ij,ij,ij->i", weight, rest, rest)
    return found


def _inverse(step: Array) -> Array:
    """0 where the step is 0."""
    return np.where(step == 0, 0, 1 / np.where(step == 0, 1, step)).astype(np.float32)
