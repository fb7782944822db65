"""The header of a GGUF file, taken apart without decoding its words: fast for vocabularies of any size.

Layout after ggml's `docs/gguf.md`, versions 2 and 3.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seekloop.system.errors import EngineError

__all__ = ["GgufHeader", "StoredTensor", "read_gguf_header"]

_number_bytes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_string, _array = 8, 9


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """One tensor's entry."""

    shape: tuple[int, ...]
    """As numpy has it: the row length last."""
    kind: int
    """ggml's number for its format."""
    start: int
    """Its first byte, from the start of the file."""


@dataclass(frozen=True, kw_only=True)
class GgufHeader:
    """What stands before the weights."""

    pairs: Mapping[str, bytes]
    """Key -> the whole key-value pair, encoded as in the file."""
    tensors: Mapping[str, StoredTensor]
    tensor_entries: bytes
    """All entries, encoded as in the file."""
    data_start: int
    """Where the weights begin, in bytes from the start of the file."""
    alignment: int
    vocab_size: int
    """0 where it has no vocabulary."""


def read_gguf_header(path: Path) -> GgufHeader:
    """Take the header of a GGUF file apart.

    Raises:
        EngineError: it is not a GGUF file of version 2 or 3, or its header is cut short.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(_Cursor(data))
    except (OSError, struct.error, ValueError, KeyError) as error:
        raise EngineError("runtime.not_gguf", path=path) from error


class _Cursor:
    """Reads a mapped file from a position onwards."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def number(self, code: str) -> int:
        """The little-endian number of a struct type that stands here."""
        value: int = struct.unpack_from(f"<{code}", self.data, self.at)[0]
        self.at += struct.calcsize(f"<{code}")
        return value

    def text(self) -> str:
        """The string that stands here."""
        length = self.number("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def skip(self, kind: int) -> None:
        """Go behind a value of a GGUF type."""
        if kind == _string:
            length = self.number("Q")
            self.at += length
        elif kind != _array:
            self.at += _number_bytes[kind]
        else:
            inner, count = self.number("I"), self.number("Q")
            if inner in (_string, _array):
                for _ in range(count):
                    self.skip(inner)
            else:
                self.at += count * _number_bytes[inner]


def _parse(cursor: _Cursor) -> GgufHeader:
    if cursor.data[:4] != b"GGUF" or struct.unpack_from("<I", cursor.data, 4)[0] not in (2, 3):
        raise ValueError("not GGUF 2 or 3")
    cursor.at = 8
    tensor_count, pair_count = cursor.number("Q"), cursor.number("Q")
    pairs: dict[str, bytes] = {}
    vocab_size, alignment = 0, 32
    for _ in range(pair_count):
        start = cursor.at
        key, kind, value = cursor.text(), cursor.number("I"), cursor.at
        cursor.skip(kind)
        pairs[key] = cursor.data[start : cursor.at]
        if key == "tokenizer.ggml.tokens":
            vocab_size = struct.unpack_from("<Q", cursor.data, value + 4)[0]
        elif key == "general.alignment":
            alignment = struct.unpack_from("<I", cursor.data, value)[0]
    first_entry = cursor.at
    entries = dict(_entry(cursor) for _ in range(tensor_count))
    data_start = math.ceil(cursor.at / alignment) * alignment
    if data_start > len(cursor.data):
        raise ValueError("cut short")
    return GgufHeader(
        pairs=pairs,
        tensors={
            name: StoredTensor(shape=shape, kind=kind, start=data_start + offset)
            for name, (shape, kind, offset) in entries.items()
        },
        tensor_entries=cursor.data[first_entry : cursor.at],
        data_start=data_start,
        alignment=alignment,
        vocab_size=vocab_size,
    )


def _entry(cursor: _Cursor) -> tuple[str, tuple[tuple[int, ...], int, int]]:
    """Name, and shape, format and offset, of the tensor entry that stands here."""
    name = cursor.text()
    shape = [cursor.number("Q") for _ in range(cursor.number("I"))]
    return name, (tuple(reversed(shape)), cursor.number("I"), cursor.number("Q"))
