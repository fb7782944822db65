"""The table of methods. A further one is a spec, a file that makes the form, and a case here."""

from __future__ import annotations

from functools import partial

from seekloop.compress import merge
from seekloop.compress.gguf import export as gguf
from seekloop.compress.method import Making
from seekloop.compress.onnx import making as onnx_making
from seekloop.compress.onnx.spec import OnnxMethod
from seekloop.compress.openvino import making as openvino_making
from seekloop.compress.openvino.spec import OpenVinoMethod
from seekloop.compress.packed.cast import make_cast
from seekloop.compress.packed.form import make_int8_weights, make_w4a16, make_w8a8
from seekloop.compress.packed.llm_int8 import make_bitsandbytes
from seekloop.compress.packed.spec import BitsAndBytesMethod, CastMethod, Int8WeightsMethod, W4A16Method, W8A8Method
from seekloop.compress.smaller import distil, prune
from seekloop.compress.smaller.spec import DistilMethod, PruneMethod
from seekloop.compress.spec import GgufMethod, MergeMethod, MethodSpec

__all__ = ["making"]


def making(spec: MethodSpec) -> Making:
    """What makes the form that `spec` asks for."""
    match spec:
        case MergeMethod():
            return merge.make
        case GgufMethod():
            return partial(gguf.make, spec)
        case OpenVinoMethod():
            return partial(openvino_making.make, spec)
        case CastMethod():
            return partial(make_cast, spec)
        case W4A16Method():
            return partial(make_w4a16, spec)
        case Int8WeightsMethod():
            return partial(make_int8_weights, spec)
        case W8A8Method():
            return partial(make_w8a8, spec)
        case BitsAndBytesMethod():
            return partial(make_bitsandbytes, spec)
        case PruneMethod():
            return partial(prune.make, spec)
        case DistilMethod():
            return partial(distil.make, spec)
        case OnnxMethod():
            return onnx_making.make
