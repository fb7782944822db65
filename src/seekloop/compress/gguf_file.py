"""Writes a GGUF file tensor by tensor, and reads it back to prove that it holds the source within rounding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from gguf.quants import dequantize, quant_shape_to_byte_shape, quantize

from seekloop.compress.gguf_layout import Layout
from seekloop.compress.rounding import largest_error
from seekloop.compress.spec import Precision
from seekloop.compress.survival import Survival
from seekloop.compress.weights import Array, Weights
from seekloop.runtime.gguf_header import StoredTensor, read_gguf_header
from seekloop.system.errors import ModelError
from seekloop.system.progress import Task

__all__ = ["GgufFile", "Planned", "plan"]

_types: dict[Precision, GGMLQuantizationType] = {
    "f32": GGMLQuantizationType.F32,
    "f16": GGMLQuantizationType.F16,
    "q8_0": GGMLQuantizationType.Q8_0,
    "q4_1": GGMLQuantizationType.Q4_1,
    "q4_0": GGMLQuantizationType.Q4_0,
}
_file_types: dict[Precision, LlamaFileType] = {
    "f32": LlamaFileType.ALL_F32,
    "f16": LlamaFileType.MOSTLY_F16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_1": LlamaFileType.MOSTLY_Q4_1,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
}
_block = 32
_quantisation_version = 2
_tables = ("token_embd.weight", "output.weight")


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One tensor of the file."""

    name: str
    source: str | None
    """Name in the checkpoint; None: the layout computes it."""
    shape: tuple[int, ...]
    precision: Precision

    @property
    def count(self) -> int:
        """Values in it."""
        return math.prod(self.shape)

    @property
    def is_blocked(self) -> bool:
        """Whether it is stored in blocks that share a scale."""
        return self.precision not in ("f32", "f16")

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of its bytes."""
        return quant_shape_to_byte_shape(self.shape, _types[self.precision])


def plan(layout: Layout, weights: Weights, *, precision: Precision, embedding: Precision) -> list[Planned]:
    """Every tensor of the file, in its order.

    Raises:
        ModelError: a tensor has no place in the architecture, or its rows do not divide into blocks.
    """
    computed = layout.computed()
    planned = [
        Planned(name=name, source=None, shape=tensor.shape, precision="f32") for name, tensor in computed.items()
    ]
    for source in weights.names:
        name, shape = layout.name(source), weights.shape(source)
        if name is None:
            continue
        chosen = "f32" if len(shape) == 1 else embedding if name in _tables else precision
        tensor = Planned(name=name, source=source, shape=shape, precision=chosen)
        if tensor.is_blocked and shape[-1] % _block:
            raise ModelError("compress.block_width", name=source, width=shape[-1], precision=chosen, block=_block)
        planned.append(tensor)
    return sorted(planned, key=_order)


@dataclass(frozen=True, kw_only=True)
class GgufFile:
    """One export: what goes into the file, and how it is checked."""

    layout: Layout
    weights: Weights
    tensors: Sequence[Planned]
    pairs: Mapping[str, Any]
    """Metadata beside the layout's own."""
    precision: Precision

    def write(self, path: Path, task: Task) -> None:
        """Write the file; the same inputs give the same bytes. Advances `task` by one a tensor."""
        writer = GGUFWriter(path, self.layout.architecture)
        own = {f"{self.layout.architecture}.{key}": value for key, value in self.layout.pairs.items()}
        writer.add_file_type(int(_file_types[self.precision]))
        writer.add_quantization_version(_quantisation_version)
        for key, value in (*own.items(), *self.pairs.items()):
            _add(writer, key, value=value)
        for tensor in self.tensors:
            _announce(writer, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in self.tensors:
            writer.write_tensor_data(quantize(self._values(tensor), _types[tensor.precision]))
            task.advance()
        writer.close()

    def check(self, path: Path, task: Task) -> None:
        """Compare every value of the written file with its source. Advances `task` by one a tensor.

        Raises:
            ModelError: a tensor is missing, a value is further from its source than its format rounds, or rounding
                undid what the adapter changed.
        """
        survival = Survival()
        stored = dict(read_gguf_header(path).tensors)
        for tensor in self.tensors:
            if not self._is_stored(tensor, stored.pop(tensor.name, None), path=path, survival=survival):
                raise ModelError("compress.not_the_same", name=tensor.name, form=path.name)
            task.advance()
        if stored:
            raise ModelError("compress.not_the_same", name=min(stored), form=path.name)
        if survival.is_lost:
            raise ModelError("compress.adapter_lost", precision=self.precision, share=f"{max(survival.share, 0):.0%}")

    def _is_stored(self, tensor: Planned, stored: StoredTensor | None, *, path: Path, survival: Survival) -> bool:
        kind = _types[tensor.precision]
        if stored is None or (stored.shape, stored.kind) != (tensor.shape, kind):
            return False
        data = np.fromfile(path, np.uint8, count=math.prod(tensor.stored_shape), offset=stored.start)
        values = dequantize(data.reshape(tensor.stored_shape), kind).reshape(tensor.shape)
        source = self._values(tensor)
        with np.errstate(invalid="ignore"):  # a damaged value may be infinite; it is beyond every bound
            error = values - source
            if not (np.abs(error) <= largest_error(source, tensor.precision)).all():
                return False
        change = self.weights.change(tensor.source) if tensor.source else None
        if change is not None:
            survival.add(self.layout.place(tensor.name, change), error)
        return True

    def _values(self, tensor: Planned) -> Array:
        if tensor.source is None:
            return self.layout.computed()[tensor.name]
        return self.layout.place(tensor.name, self.weights.read(tensor.source))


def _add(writer: GGUFWriter, key: str, *, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case _:
            writer.add_array(key, value)


def _announce(writer: GGUFWriter, tensor: Planned) -> None:
    shape = tensor.stored_shape if tensor.is_blocked else tensor.shape
    dtype: np.dtype[Any] = np.dtype({"f32": np.float32, "f16": np.float16}.get(tensor.precision, np.uint8))
    size = math.prod(tensor.stored_shape)
    writer.add_tensor_info(tensor.name, shape, dtype, size, raw_dtype=_types[tensor.precision])


def _order(tensor: Planned) -> tuple[int, str]:
    """Tables and norms first, then layer by layer, as the model reads them."""
    first, _, rest = tensor.name.partition(".")
    number, _, part = rest.partition(".")
    return (int(number), part) if first == "blk" else (-1, tensor.name)
