"""A GGUF model whose vocabulary says nothing: every token is a control token called by its number.

llama.cpp's server thinks in text. It holds back ids whose bytes are half a character (in a stream those ids are lost),
breaks off answers that are not UTF-8, and ends them at tokens whose names it knows. We speak ids only, so the engine is
given the same tensors under a header without words: it then hands out every id the moment it is sampled, and ends at
our stop ids and no others. It also loads faster, having no merges to index.

The copy lives in anonymous memory until the engine has read it. Layout after ggml's `docs/gguf.md`, version 3.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from seekloop.system.errors import EngineError

__all__ = ["opaque_copy"]

_number_bytes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_u32, _i32, _bool, _string, _array = 4, 5, 7, 8, 9
_control_token = 3
_block = 2**24
_stop_keys = ("eos", "eot", "eom")
"""The places that llama.cpp has for ids that end an answer."""


@contextlib.contextmanager
def opaque_copy(path: Path, *, stop_ids: Collection[int]) -> Iterator[Path]:
    """Where a copy of `path` with an opaque vocabulary can be read, inside the block and by this process only.

    Args:
        path: a GGUF file.
        stop_ids: ids that end an answer; the engine ends at the three lowest, the others are for the caller to end at.

    Raises:
        EngineError: it is not a GGUF file of version 2 or 3, is cut short, or has no vocabulary.
    """
    header = _read(path)
    kept = [pair for key, pair in header.pairs.items() if not key.startswith("tokenizer.")]
    pairs = [*kept, *_vocabulary(header.vocab_size, stop_ids)]
    head = struct.pack("<4sIQQ", b"GGUF", 3, header.tensor_count, len(pairs)) + b"".join(pairs) + header.tensors
    with _anonymous_file() as place, path.open("rb") as source, place.open("wb") as copy:
        copy.write(head + bytes(-len(head) % header.alignment))
        source.seek(header.data_start)
        shutil.copyfileobj(source, copy, _block)
        copy.flush()
        yield place


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What stands before the weights."""

    pairs: dict[str, bytes]
    """Key -> the whole key-value pair, encoded as in the file."""
    tensor_count: int
    tensors: bytes
    """Names, shapes, types and offsets, encoded as in the file."""
    data_start: int
    """Where the weights begin, in bytes from the start of the file."""
    alignment: int
    vocab_size: int


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

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes."""
        self.at += count
        return self.data[self.at - count : self.at]

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


def _read(path: Path) -> _Header:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(_Cursor(data))
    except (OSError, struct.error, ValueError, KeyError) as error:
        raise EngineError("runtime.not_gguf", path=path) from error


def _parse(cursor: _Cursor) -> _Header:
    if cursor.data[:4] != b"GGUF" or struct.unpack_from("<I", cursor.data, 4)[0] not in (2, 3):
        raise ValueError("not GGUF 2 or 3")
    cursor.at = 8
    tensor_count, pair_count = cursor.number("Q"), cursor.number("Q")
    pairs: dict[str, bytes] = {}
    vocab_size, alignment = 0, 32
    for _ in range(pair_count):
        start = cursor.at
        key = cursor.bytes(cursor.number("Q")).decode()
        kind, value = cursor.number("I"), cursor.at
        cursor.skip(kind)
        pairs[key] = cursor.data[start : cursor.at]
        if key == "tokenizer.ggml.tokens":
            vocab_size = struct.unpack_from("<Q", cursor.data, value + 4)[0]
        elif key == "general.alignment":
            alignment = struct.unpack_from("<I", cursor.data, value)[0]
    first_tensor = cursor.at
    for _ in range(tensor_count):
        cursor.skip(_string)
        dimensions = cursor.number("I")
        cursor.at += 8 * dimensions + 4 + 8
    if cursor.at > len(cursor.data) or not vocab_size:
        raise ValueError("cut short, or without a vocabulary")
    return _Header(
        pairs=pairs,
        tensor_count=tensor_count,
        tensors=cursor.data[first_tensor : cursor.at],
        data_start=-(-cursor.at // alignment) * alignment,
        alignment=alignment,
        vocab_size=vocab_size,
    )


def _vocabulary(size: int, stop_ids: Collection[int]) -> list[bytes]:
    """Every `tokenizer.` pair, encoded. What llama.cpp looks for by name it does not find."""
    ends = zip(_stop_keys, sorted(stop_ids), strict=False)
    return [
        _pair("tokenizer.ggml.model", kind=_string, value=_text("gpt2")),
        _pair("tokenizer.ggml.pre", kind=_string, value=_text("default")),
        _pair("tokenizer.ggml.tokens", kind=_array, value=_list(_string, [_text(f"<{id_}>") for id_ in range(size)])),
        _pair("tokenizer.ggml.token_type", kind=_array, value=_list(_i32, [struct.pack("<i", _control_token)] * size)),
        _pair("tokenizer.ggml.merges", kind=_array, value=_list(_string, [])),
        _pair("tokenizer.ggml.add_bos_token", kind=_bool, value=b"\0"),
        *(_pair(f"tokenizer.ggml.{key}_token_id", kind=_u32, value=struct.pack("<I", id_)) for key, id_ in ends),
    ]


def _pair(key: str, *, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _list(kind: int, items: list[bytes]) -> bytes:
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


@contextlib.contextmanager
def _anonymous_file() -> Iterator[Path]:
    """A place to write that is gone with the block, even when the process is killed in it (on Linux)."""
    if sys.platform == "linux":
        handle = os.memfd_create("model.gguf")
        try:
            yield Path(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "model.gguf"
