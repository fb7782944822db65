"""Writes a GGUF file tensor by tensor, and reads it back to prove that it holds the source within rounding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

from seekloop.compress.gguf.formats import FILE_TYPES, FORMATS, pack, stored_shape, unpack
from seekloop.compress.gguf.importance import Importance
from seekloop.compress.gguf.layout import Layout, Piece, Target
from seekloop.compress.gguf.rounding import largest_error
from seekloop.compress.gguf.spec import Format, Precision
from seekloop.compress.survival import Survival
from seekloop.compress.weights import Array, Weights
from seekloop.runtime.gguf_header import StoredTensor, read_gguf_header
from seekloop.system.errors import ModelError
from seekloop.system.progress import Task

__all__ = ["GgufFile", "Planned"]

_quantisation_version = 2
_alignment = 32
_header_shapes: dict[Format, Any] = {"f32": np.float32, "f16": np.float16}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One tensor of the file."""

    target: Target
    stored_as: Format

    @property
    def name(self) -> str:
        """In the file."""
        return self.target.name

    @property
    def count(self) -> int:
        """Values in it."""
        return math.prod(self.target.shape)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return math.prod(stored_shape(self.target.shape, self.stored_as))


@dataclass(frozen=True, kw_only=True)
class GgufFile:
    """One export: what goes into the file, and how it is checked."""

    layout: Layout
    weights: Weights
    tensors: Sequence[Planned]
    pairs: Mapping[str, Any]
    """Metadata beside the layout's own."""
    precision: Precision
    importance: Importance
    """Of the columns of each source, where activations were looked at."""

    def write(self, path: Path, task: Task) -> None:
        """Write the file; the same inputs give the same bytes. Advances `task` by one a tensor."""
        writer = GGUFWriter(path, self.layout.architecture)
        own = {f"{self.layout.architecture}.{key}": value for key, value in self.layout.pairs.items()}
        writer.add_file_type(int(FILE_TYPES[self.precision]))
        writer.add_quantization_version(_quantisation_version)
        for key, value in (*own.items(), *self.pairs.items()):
            _add(writer, key, value=value)
        for tensor in self.tensors:
            _announce(writer, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.close()
        with path.open("ab") as file:
            # Not by the writer's own way, which hides from us that the disk is full, and wants a whole tensor at once.
            file.write(bytes(-file.tell() % _alignment))
            for tensor in self.tensors:
                for piece, values in self._pieces(tensor):
                    file.write(pack(values, tensor.stored_as, importance=self._counts(piece)).data)
                file.write(bytes(-tensor.size % _alignment))
                task.advance()

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
        kind = FORMATS[tensor.stored_as].kind
        if stored is None or (stored.shape, stored.kind) != (tensor.target.shape, kind):
            return False
        start = stored.start
        for piece, source in self._pieces(tensor):
            size = math.prod(stored_shape(source.shape, tensor.stored_as))
            data = np.fromfile(path, np.uint8, count=size, offset=start)
            start += size
            with np.errstate(invalid="ignore"):  # a damaged value may be infinite; it is beyond every bound
                error = unpack(data, tensor.stored_as, shape=source.shape) - source
                if not (np.abs(error) <= largest_error(source, tensor.stored_as)).all():
                    return False
            change = self.weights.change(piece.source) if piece is not None else None
            if piece is not None and change is not None:
                survival.add(piece.take(change), error)
        return True

    def _pieces(self, tensor: Planned) -> Iterator[tuple[Piece | None, Array]]:
        if tensor.target.constant is not None:
            yield None, tensor.target.constant
        for piece in tensor.target.pieces:
            values = piece.take(self.weights.read(piece.source))
            yield piece, values + np.float32(piece.added) if piece.added else values

    def _counts(self, piece: Piece | None) -> Array | None:
        return self.importance.get(piece.source) if piece is not None and piece.keeps_columns else None


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
    plain = _header_shapes.get(tensor.stored_as)
    shape = tensor.target.shape if plain else stored_shape(tensor.target.shape, tensor.stored_as)
    dtype: np.dtype[Any] = np.dtype(plain or np.uint8)
    writer.add_tensor_info(tensor.name, shape, dtype, tensor.size, raw_dtype=FORMATS[tensor.stored_as].kind)
