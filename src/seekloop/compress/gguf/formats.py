"""The block formats of ggml: what each is called in a file, how values are packed into it and read back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, LlamaFileType
from gguf.quants import dequantize, quant_shape_to_byte_shape, quantize

from seekloop.compress.gguf.kquants import KINDS, quantise
from seekloop.compress.gguf.spec import Format, Precision
from seekloop.compress.weights import Array

__all__ = ["FILE_TYPES", "FORMATS", "Bytes", "FormatFacts", "pack", "stored_shape", "unpack"]

Bytes = npt.NDArray[np.uint8]
_nothing = 2.0**-40
"""Far below what the fp16 scale of a block can tell from 0, and still with a reciprocal in fp32."""


@dataclass(frozen=True)
class FormatFacts:
    """One format."""

    kind: GGMLQuantizationType
    block: int
    """Values that share a scale: rows must divide into so many; 1 where none is shared."""
    otherwise: Format = "f16"
    """What llama.cpp stores rows in that do not divide."""


FORMATS: dict[Format, FormatFacts] = {
    "f32": FormatFacts(GGMLQuantizationType.F32, 1),
    "f16": FormatFacts(GGMLQuantizationType.F16, 1),
    "bf16": FormatFacts(GGMLQuantizationType.BF16, 1),
    "q8_0": FormatFacts(GGMLQuantizationType.Q8_0, 32),
    "q5_1": FormatFacts(GGMLQuantizationType.Q5_1, 32),
    "q5_0": FormatFacts(GGMLQuantizationType.Q5_0, 32),
    "q4_1": FormatFacts(GGMLQuantizationType.Q4_1, 32),
    "q4_0": FormatFacts(GGMLQuantizationType.Q4_0, 32),
    "iq4_nl": FormatFacts(GGMLQuantizationType.IQ4_NL, 32),
    "q6_k": FormatFacts(GGMLQuantizationType.Q6_K, 256, "q8_0"),
    "q5_k": FormatFacts(GGMLQuantizationType.Q5_K, 256, "q5_1"),
    "q4_k": FormatFacts(GGMLQuantizationType.Q4_K, 256, "q5_0"),
}
FILE_TYPES: dict[Precision, LlamaFileType] = {
    "f32": LlamaFileType.ALL_F32,
    "f16": LlamaFileType.MOSTLY_F16,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q5_1": LlamaFileType.MOSTLY_Q5_1,
    "q5_0": LlamaFileType.MOSTLY_Q5_0,
    "q4_1": LlamaFileType.MOSTLY_Q4_1,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
    "iq4_nl": LlamaFileType.MOSTLY_IQ4_NL,
    "q6_k": LlamaFileType.MOSTLY_Q6_K,
    "q5_k": LlamaFileType.MOSTLY_Q5_K_S,
    "q4_k": LlamaFileType.MOSTLY_Q4_K_S,
    "q5_k_m": LlamaFileType.MOSTLY_Q5_K_M,
    "q5_k_s": LlamaFileType.MOSTLY_Q5_K_S,
    "q4_k_m": LlamaFileType.MOSTLY_Q4_K_M,
    "q4_k_s": LlamaFileType.MOSTLY_Q4_K_S,
}


def stored_shape(shape: tuple[int, ...], stored_as: Format) -> tuple[int, ...]:
    """Of the bytes that values of `shape` take."""
    return tuple(quant_shape_to_byte_shape(shape, FORMATS[stored_as].kind))


def pack(values: Array, stored_as: Format, *, importance: Array | None = None) -> Bytes:
    """The bytes of `values`, in `stored_shape`.

    Args:
        values: [..., columns]; columns divide into the format's blocks.
        stored_as: the format.
        importance: [columns], how much an error in each column counts; only formats whose scales are searched heed it.
    """
    if FORMATS[stored_as].block > 1:
        values = np.where(np.abs(values) < _nothing, np.float32(0), values)
    if stored_as in KINDS:
        return quantise(values, stored_as, importance=importance)
    packed: Bytes = quantize(np.ascontiguousarray(values), FORMATS[stored_as].kind).view(np.uint8)
    return packed.reshape(stored_shape(values.shape, stored_as))


def unpack(packed: Bytes, stored_as: Format, *, shape: tuple[int, ...]) -> Array:
    """The values that `packed` stands for, by the `gguf` package's own reader."""
    values: Array = dequantize(packed.reshape(stored_shape(shape, stored_as)), FORMATS[stored_as].kind)
    return values.reshape(shape)
