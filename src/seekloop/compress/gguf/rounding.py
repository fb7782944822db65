"""How far a stored value may be from its source, by format; ggml's reference quantisation keeps within these."""

from __future__ import annotations

import numpy as np

from seekloop.compress.gguf.spec import Format
from seekloop.compress.weights import Array

__all__ = ["largest_error"]

_block = 32
_half = 2.0**-11
"""Relative rounding of an fp16 number, such as a block's scale."""
_tiny = 2.0**-24
"""Rounding of fp16 numbers near zero."""
_brain = 2.0**-8
"""Relative rounding of a bf16 number."""
_least = 2.0**-133
"""Rounding of bf16 numbers near zero."""
_single = 1e-6
"""Relative rounding of the fp32 arithmetic between."""


def largest_error(source: Array, stored_as: Format) -> Array:
    """The bound for each value, in the shape of `source` (for blocks: rows divide into them).

    q8_0: 127 steps for the largest magnitude of a block, rounded to the nearest. q4_1, q5_1: 15 or 31 steps from the
    least to the greatest value, to the nearest. q4_0, q5_0: 8 or 16 steps for the largest magnitude on its own side but
    one less on the other, so a value there may be a whole step off. iq4_nl: codes at most 24 apart, and 14 short of the
    far side. The scale itself is fp16, and is multiplied by up to that many steps.

    q4_k, q5_k: one step of the sub-block (twice what a span rounded to the nearest needs, which leaves room for a
    search that trades the ends for the middle), and what six-bit scales lose: 1/126 of the super-block's widest span
    and of its deepest offset. q6_k: the same with 32 steps of the largest magnitude, and eight-bit scales.
    """
    match stored_as:
        case "f32":
            return np.zeros_like(source)
        case "f16":
            return np.abs(source) * np.float32(_half) + np.float32(_tiny)
        case "bf16":
            return np.abs(source) * np.float32(_brain) + np.float32(_least)
        case "q4_k" | "q5_k":
            bound = _affine_super(source, top=15 if stored_as == "q4_k" else 31)
        case "q6_k":
            bound = _signed_super(source)
        case _:
            bound = _single_blocks(source, stored_as)
    return (bound.reshape(source.shape) + np.abs(source) * _single).astype(np.float32)


def _single_blocks(source: Array, stored_as: Format) -> Array:
    blocks = source.reshape(*source.shape[:-1], -1, _block)
    largest = np.abs(blocks).max(-1, keepdims=True)
    spread = blocks.max(-1, keepdims=True) - blocks.min(-1, keepdims=True)
    match stored_as:
        case "q8_0":
            bound = largest / 254 + largest * _half + 127 * _tiny
        case "q4_0" | "q5_0":
            steps = 8 if stored_as == "q4_0" else 16
            bound = largest / steps + largest * _half + steps * _tiny
        case "iq4_nl":
            bound = largest * (14 / 127) + largest * _half + 127 * _tiny
        case _:
            steps = 15 if stored_as == "q4_1" else 31
            bound = spread / (2 * steps) + (spread + largest) * _half + (steps + 1) * _tiny
    return np.broadcast_to(bound + largest * np.float32(_single), blocks.shape)


def _affine_super(source: Array, *, top: int) -> Array:
    subs = source.reshape(-1, 8, _block)
    least, most = np.minimum(subs.min(-1, keepdims=True), 0), np.maximum(subs.max(-1, keepdims=True), 0)
    span = most - least
    widest, deepest = span.max(1, keepdims=True), -least.min(1, keepdims=True)
    bound = span / top + (widest + deepest) * (1.1 / 126 + 2 * _half) + 63 * (top + 1) * _tiny
    return np.broadcast_to(bound, subs.shape)


def _signed_super(source: Array) -> Array:
    subs = source.reshape(-1, 16, 16)
    largest = np.abs(subs).max(-1, keepdims=True)
    bound = largest / 32 + largest.max(1, keepdims=True) * (1.1 / 128 + 2 * _half) + 128 * 32 * _tiny
    return np.broadcast_to(bound, subs.shape)
