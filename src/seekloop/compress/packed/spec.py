"""What is told to the methods that write transformers folders for GPUs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = [
    "BitsAndBytesMethod",
    "CalibrationSpec",
    "CastMethod",
    "Half",
    "Int8WeightsMethod",
    "W4A16Method",
    "W8A8Method",
]

Half = Literal["bf16", "fp16"]


class CalibrationSpec(Spec):
    """How much of the dataset's calibration split is looked at."""

    rows: int = Field(default=128, ge=1)
    """Rows, from the first on."""
    tokens: int = Field(default=512, ge=8)
    """Longest row, in tokens; what goes beyond is left out."""


class W4A16Method(Spec):
    """4-bit weights in groups, activations in half precision; compressed-tensors' `pack-quantized` layout."""

    type: Literal["w4a16"] = "w4a16"
    rounding: Literal["gptq", "awq", "nearest"] = "gptq"
    """`gptq`: each column's error is made up for by the columns after it; `awq`: columns that see large activations are
    scaled up before rounding; `nearest` looks at no data."""
    group: Literal[128, 64, 32, "channel"] | None = None
    """Weights of a row that share a scale; None: the largest of 128, 64 and 32 that divides every layer's width."""
    symmetric: bool = True
    """Whether zero is the middle code; otherwise each group has a zero point."""
    dtype: Half = "bf16"
    """Of the scales and of everything that is not rounded."""
    act_order: bool = True
    """`gptq` only: round the columns with the largest activations first."""
    damping: float = Field(default=0.01, gt=0, le=1)
    """`gptq` only: added to the Hessian's diagonal, as a share of its mean."""
    calibration: CalibrationSpec = CalibrationSpec()


class Int8WeightsMethod(Spec):
    """int8 weights, activations in half precision; compressed-tensors' `pack-quantized` layout. It looks at no data."""

    type: Literal["w8a16"] = "w8a16"
    group: Literal[128, 64, 32, "channel"] = "channel"
    """Weights of a row that share a scale; `channel`: all of them."""
    dtype: Half = "bf16"
    """Of the scales and of everything that is not rounded."""


class W8A8Method(Spec):
    """int8 weights, a scale a row; int8 activations, a scale a token; compressed-tensors' `int-quantized` layout."""

    type: Literal["w8a8"] = "w8a8"
    rounding: Literal["nearest", "gptq"] = "nearest"
    """Of the weights."""
    smooth: float | None = Field(default=None, ge=0, le=1)
    """SmoothQuant's strength: how much of the activations' outliers is moved into the weights; None: nothing."""
    dtype: Half = "bf16"
    """Of the scales and of everything that is not rounded."""
    act_order: bool = True
    """`gptq` only: round the columns with the largest activations first."""
    damping: float = Field(default=0.01, gt=0, le=1)
    """`gptq` only: added to the Hessian's diagonal, as a share of its mean."""
    calibration: CalibrationSpec = CalibrationSpec()


class BitsAndBytesMethod(Spec):
    """int8 weights and inputs in the layout of bitsandbytes' LLM.int8(), inputs of large magnitude in full. It looks at
    no data."""

    type: Literal["bitsandbytes"] = "bitsandbytes"
    threshold: float = Field(default=6.0, ge=0)
    """Magnitude from which on an input is not rounded; 0: all are."""
    dtype: Half = "fp16"
    """Of everything that is not rounded; bitsandbytes computes in fp16."""


class CastMethod(Spec):
    """Half precision: a plain transformers folder that every engine loads; an adapter is folded in."""

    type: Literal["cast"] = "cast"
    dtype: Half = "bf16"
