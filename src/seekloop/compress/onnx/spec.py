"""What the onnx method is told."""

from __future__ import annotations

from typing import Literal

from seekloop.system.spec import Spec

__all__ = ["OnnxMethod"]


class OnnxMethod(Spec):
    """An ONNX graph in fp32 for hosts that build their own engines from it; an adapter is folded in."""

    type: Literal["onnx"] = "onnx"
