"""How far a stored value may be from its source, by format; ggml's reference quantisation keeps within these."""

from __future__ import annotations

import numpy as np

from seekloop.compress.spec import Precision
from seekloop.compress.weights import Array

__all__ = ["largest_error"]

_block = 32
_half = 2.0**-11
"""Relative rounding of an fp16 number, such as a block's scale."""
_tiny = 2.0**-24
"""Rounding of fp16 numbers near zero."""
_single = 1e-6
"""Relative rounding of the fp32 arithmetic between."""


def largest_error(source: Array, precision: Precision) -> Array:
    """The bound for each value, in the shape of `source` (for blocks: rows divide into 32).

    q8_0: 127 steps for the largest magnitude of a block, rounded to the nearest. q4_1: 15 steps from the least to the
    greatest value, to the nearest. q4_0: 8 steps for the largest magnitude on its own side but 7 on the other, so a
    value there may be a whole step off. The scale itself is fp16, and is multiplied by up to that many steps.
    """
    if precision == "f32":
        return np.zeros_like(source)
    if precision == "f16":
        return np.abs(source) * np.float32(_half) + np.float32(_tiny)
    blocks = source.reshape(*source.shape[:-1], -1, _block)
    largest = np.abs(blocks).max(-1, keepdims=True)
    match precision:
        case "q8_0":
            bound = largest / 254 + largest * _half + 127 * _tiny
        case "q4_0":
            bound = largest / 8 + largest * _half + 8 * _tiny
        case "q4_1":
            spread = blocks.max(-1, keepdims=True) - blocks.min(-1, keepdims=True)
            bound = spread / 30 + (spread + largest) * _half + 16 * _tiny
    bound = bound + largest * np.float32(_single)
    return np.broadcast_to(bound, blocks.shape).reshape(source.shape).astype(np.float32)
