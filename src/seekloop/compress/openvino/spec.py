"""What the openvino method is told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = ["IrPrecision", "OpenVinoMethod"]

IrPrecision = Literal["f32", "f16", "int8", "int4"]


class OpenVinoMethod(Spec):
    """OpenVINO's own files, for its continuous batching on CPUs (and its GPUs and NPUs); an adapter is folded in."""

    type: Literal["openvino"] = "openvino"
    precision: IrPrecision = "int8"
    """Of the matrices. `int8` has a scale a row; `int4` one a group, with embedding and head in eight bits."""
    symmetric: bool | None = None
    """Scales alone, or scales and zero points; None: scales alone for `int8`, zero points too for `int4`."""
    group_size: int | None = Field(default=None, ge=16, le=256)
    """`int4`: weights of a row that share a scale; None: the largest of 128, 64 and 32 that divides every row."""
    ratio: float = Field(default=1.0, gt=0, le=1)
    """`int4`: share of the weights that get four bits; the layers that mind most get eight."""
    data_aware: tuple[Literal["awq", "scale_estimation", "gptq"], ...] = ()
    """`int4`: what may look at calibration rows to lose less."""
    rows: int = Field(default=64, ge=1)
    """Calibration rows that `data_aware` looks at."""

    @model_validator(mode="after")
    def _dials_of_four_bits(self) -> OpenVinoMethod:
        dials = self.data_aware or self.group_size is not None or self.ratio < 1
        if dials and self.precision != "int4":
            raise ValueError("group_size, ratio and data_aware are dials of int4")
        if {"gptq", "scale_estimation"} <= set(self.data_aware):
            raise ValueError("gptq and scale_estimation both choose the scales: take one of them")
        return self
