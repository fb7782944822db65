"""What a GGUF export is told."""

from __future__ import annotations

from typing import Literal

from seekloop.system.spec import Spec

__all__ = ["FORMATS", "Format", "GgufMethod", "Precision"]

Format = Literal[
    "f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "q6_k", "q5_k", "q4_k"
]  # fmt: skip
"""How one tensor is stored."""

FORMATS: tuple[Format, ...] = (
    "f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "q6_k", "q5_k", "q4_k"
)  # fmt: skip

Precision = Literal[
    "f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "q6_k", "q5_k", "q4_k",
    "q5_k_m", "q5_k_s", "q4_k_m", "q4_k_s",
]  # fmt: skip
"""A format for all matrices, or one of llama.cpp's mixtures of formats (`_s`, `_m`)."""


class GgufMethod(Spec):
    """One GGUF file for llama.cpp and whatever reads its format; an adapter is folded in."""

    type: Literal["gguf"] = "gguf"
    precision: Precision = "q8_0"
    """Of the matrices: `q8_0` is 8.5 bits a weight, `q5_k_m` about 5.7, `q4_k_m` about 4.9. Vectors stay fp32."""
    embedding: Format | None = None
    """Of the token embedding and the output head; None: six or eight bits for forms of four and five (`q6_k` with `_k`,
    otherwise `q8_0`), else as `precision`."""
    importance: bool = False
    """Whether weights that meet large activations on the calibration rows are rounded more carefully."""
