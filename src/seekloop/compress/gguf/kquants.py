"""Formats whose scales are searched: ggml's super-blocks of 256 (`q4_k`, `q5_k`, `q6_k`) and uneven codes (`iq4_nl`).

Block layouts are those of ggml's `ggml-common.h`. Where the search left a value further from its source than
`rounding.largest_error` allows, the block gets the plain scales that span its values, which keep within it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from seekloop.compress.gguf import scales
from seekloop.compress.gguf.rounding import largest_error
from seekloop.compress.gguf.spec import Format
from seekloop.compress.weights import Array

__all__ = ["CODES", "KINDS", "quantise"]

CODES = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
"""What the sixteen codes of `iq4_nl` stand for."""
_super, _sub, _sixth, _nl = 256, 32, 16, 32
_largest_scale = 63
_low, _four = np.uint8(15), np.uint8(4)
_at_once = 256
"""Blocks that are searched together: their arrays stay in the processor's cache."""

_Bytes = npt.NDArray[np.uint8]
_Blocks = Callable[[Array, Array | None], _Bytes]
"""Values [blocks, width] and their weights (None: plain scales) -> bytes [blocks, size]."""


def quantise(values: Array, stored_as: Format, *, importance: Array | None = None) -> _Bytes:
    """The bytes of `values` in one of `KINDS`.

    Args:
        values: [..., columns], where columns divide into blocks.
        stored_as: the format.
        importance: [columns], how much an error in a column counts; None: all alike.

    Returns:
        [..., bytes of a row].
    """
    kind, width, make = KINDS[stored_as]
    blocks = np.ascontiguousarray(values, np.float32).reshape(-1, width)
    per_row = values.shape[-1] // width
    counts = None if importance is None else np.maximum(importance, 1e-12).astype(np.float32).reshape(per_row, width)
    parts = []
    for start in range(0, len(blocks), _at_once):
        x = blocks[start : start + _at_once]
        weight = _weight(x)
        if counts is not None:
            weight *= counts[(start + np.arange(len(x))) % per_row]
        packed = make(x, weight)
        error = np.abs(dequantize(packed, kind) - x)
        astray = (error > largest_error(x, stored_as)).any(-1)
        if astray.any():
            packed[astray] = make(x[astray], None)
        parts.append(packed)
    return np.concatenate(parts).reshape(*values.shape[:-1], -1)


def _weight(x: Array) -> Array:
    """How much an error of each value counts: more where the value is large, as its part in a product is."""
    return np.abs(x) + np.sqrt(np.square(x).mean(-1, keepdims=True)) + np.float32(1e-12)


def _affine(x: Array, weight: Array | None, *, bits: int) -> tuple[Array, _Bytes]:
    """Whole numbers [blocks, 256] and the head of each block: two fp16 factors, eight pairs of six-bit scales."""
    top = 2**bits - 1
    rows = x.reshape(-1, _sub)
    step, offset = (
        scales.plain_affine(rows, top=top)
        if weight is None
        else scales.fit_affine(rows, weight.reshape(-1, _sub), top=top)
    )
    step, offset = step.reshape(-1, 8), offset.reshape(-1, 8)
    factor, step_code = _six_bits(step)
    floor, offset_code = _six_bits(offset)
    steps = (factor.astype(np.float32) * step_code)[..., None]
    offsets = (floor.astype(np.float32) * offset_code)[..., None]
    shifted = x.reshape(-1, 8, _sub) + offsets
    q = np.clip(np.rint(np.where(steps > 0, shifted / np.where(steps > 0, steps, 1), 0)), 0, top).reshape(x.shape)
    head = [factor.view(np.uint8), floor.view(np.uint8), _pairs(step_code, offset_code)]
    return q, np.concatenate(head, axis=-1)


def _six_bits(values: Array) -> tuple[npt.NDArray[np.float16], Array]:
    """Factor [blocks, 1] and codes [blocks, 8], 0 to 63, whose product is about `values`, none of them negative."""
    factor = (values.max(-1, keepdims=True) / _largest_scale).astype(np.float16)
    used = factor.astype(np.float32)
    codes = np.where(used > 0, values / np.where(used > 0, used, 1), 0)
    return factor, np.clip(np.rint(codes), 0, _largest_scale)


def _pairs(steps: Array, offsets: Array) -> _Bytes:
    """Twelve bytes for eight steps and eight offsets of six bits: four of each whole, of the others the high two bits
    on top of those and the low four side by side."""
    s, m = steps.astype(np.uint8), offsets.astype(np.uint8)
    low = (s[:, :4] & 63) | ((s[:, 4:] >> 4) << 6)
    middle = (m[:, :4] & 63) | ((m[:, 4:] >> 4) << 6)
    high = (s[:, 4:] & 15) | ((m[:, 4:] & 15) << 4)
    return np.concatenate([low, middle, high], axis=-1)


def _q4_k(x: Array, weight: Array | None) -> _Bytes:
    q, head = _affine(x, weight, bits=4)
    return np.concatenate([head, _nibbles(q.astype(np.uint8), half=32)], axis=-1)


def _q5_k(x: Array, weight: Array | None) -> _Bytes:
    q, head = _affine(x, weight, bits=5)
    whole = q.astype(np.uint8)
    fifth = (whole >> 4).reshape(-1, 8, 32) << np.arange(8, dtype=np.uint8)[:, None]
    return np.concatenate([head, np.bitwise_or.reduce(fifth, axis=1), _nibbles(whole & _low, half=32)], axis=-1)


def _q6_k(x: Array, weight: Array | None) -> _Bytes:
    rows = x.reshape(-1, _sixth)
    step = (
        scales.plain_signed(rows, lowest=-32)
        if weight is None
        else scales.fit_signed(rows, weight.reshape(-1, _sixth), lowest=-32)
    ).reshape(-1, _super // _sixth)
    factor = scales.plain_signed(step, lowest=-128).astype(np.float16)[:, None]
    used = factor.astype(np.float32)
    code = np.clip(np.rint(np.where(used != 0, step / np.where(used != 0, used, 1), 0)), -128, 127)
    steps = (used * code)[..., None]
    sixteen = x.reshape(-1, _super // _sixth, _sixth)
    q = np.clip(np.rint(np.where(steps != 0, sixteen / np.where(steps != 0, steps, 1), 0)), -32, 31) + 32
    whole = q.reshape(x.shape).astype(np.uint8)
    two = (whole >> 4).reshape(-1, 2, 4, 32) << np.array([0, 2, 4, 6], np.uint8)[:, None]
    high = np.bitwise_or.reduce(two, axis=2).reshape(len(x), -1)
    codes = code.astype(np.int8).view(np.uint8)
    return np.concatenate([_nibbles(whole & _low, half=64), high, codes, factor.view(np.uint8)], axis=-1)


def _iq4_nl(x: Array, weight: Array | None) -> _Bytes:
    step = scales.plain_signed(x, lowest=int(CODES[0])) if weight is None else scales.fit_codes(x, weight, codes=CODES)
    factor = step.astype(np.float16)[:, None]
    used = factor.astype(np.float32)
    place = scales.nearest_code(np.where(used != 0, x / np.where(used != 0, used, 1), 0), CODES)
    return np.concatenate([factor.view(np.uint8), _nibbles(place.astype(np.uint8), half=_nl // 2)], axis=-1)


def _nibbles(whole: _Bytes, *, half: int) -> _Bytes:
    """Four bits each, [blocks, values] -> [blocks, values / 2]: of every run of two halves, the second on top."""
    pairs = whole.reshape(len(whole), -1, 2, half)
    packed: _Bytes = pairs[:, :, 0] | (pairs[:, :, 1] << _four)
    return packed.reshape(len(whole), -1)


KINDS: dict[Format, tuple[GGMLQuantizationType, int, _Blocks]] = {
    "q4_k": (GGMLQuantizationType.Q4_K, _super, _q4_k),
    "q5_k": (GGMLQuantizationType.Q5_K, _super, _q5_k),
    "q6_k": (GGMLQuantizationType.Q6_K, _super, _q6_k),
    "iq4_nl": (GGMLQuantizationType.IQ4_NL, _nl, _iq4_nl),
}
"""Format -> its number in ggml, values in a block, and what packs blocks."""
