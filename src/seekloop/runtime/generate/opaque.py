"""A GGUF model whose vocabulary says nothing: every token is a control token called by its number.

llama.cpp's server thinks in text. It holds back ids whose bytes are half a character (in a stream those ids are lost for
good), breaks off answers that are not UTF-8, and ends them at tokens whose names it knows. We speak ids only, so the
engine is given the same tensors under a header without words: it then hands out every id the moment it is sampled, and
ends at our stop ids and no others. It also loads faster, having no merges to index.

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


def _read(path: Path) -> _Header:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(data)
    except (OSError, struct.error, ValueError, KeyError) as error:
        raise EngineError("runtime.not_gguf", path=path) from error


def _parse(data: mmap.mmap) -> _Header:
    magic, version, tensor_count, pair_count = struct.unpack_from("<4sIQQ", data, 0)
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError("not GGUF 2 or 3")
    pairs: dict[str, bytes] = {}
    at = 24
    vocab_size, alignment = 0, 32
    for _ in range(pair_count):
        name_end = _after_string(data, at)
        key = data[at + 8 : name_end].decode()
        kind, value = _unpack("<I", data, name_end), name_end + 4
        end = _after(data, value, kind)
        pairs[key] = data[at:end]
        at = end
        if key == "tokenizer.ggml.tokens":
            vocab_size = _unpack("<Q", data, value + 4)
        elif key == "general.alignment":
            alignment = _unpack("<I", data, value)
    first_tensor = at
    for _ in range(tensor_count):
        at = _after_string(data, at)
        at += 4 + 8 * _unpack("<I", data, at) + 4 + 8
    if at > len(data) or not vocab_size:
        raise ValueError("cut short, or without a vocabulary")
    return _Header(
        pairs=pairs,
        tensor_count=tensor_count,
        tensors=data[first_tensor:at],
        data_start=-(-at // alignment) * alignment,
        alignment=alignment,
        vocab_size=vocab_size,
    )


def _unpack(code: str, data: mmap.mmap, at: int) -> int:
    value: int = struct.unpack_from(code, data, at)[0]
    return value


def _after_string(data: mmap.mmap, at: int) -> int:
    return at + 8 + _unpack("<Q", data, at)


def _after(data: mmap.mmap, at: int, kind: int) -> int:
    """The position behind a value of a type that begins at `at`."""
    if kind == _string:
        return _after_string(data, at)
    if kind != _array:
        return at + _number_bytes[kind]
    inner, count = _unpack("<I", data, at), _unpack("<Q", data, at + 4)
    at += 12
    if inner not in (_string, _array):
        return at + count * _number_bytes[inner]
    for _ in range(count):
        at = _after(data, at, inner)
    return at


def _vocabulary(size: int, stop_ids: Collection[int]) -> list[bytes]:
    stops = dict(zip(_stop_keys, sorted(stop_ids), strict=False))
    # llama.cpp takes id 11 for the end of text where a file names none; a name that it has to look for finds nothing.
    ends = [_pair(f"tokenizer.ggml.{key}_token_id", _u32, struct.pack("<I", id_)) for key, id_ in stops.items()]
    return [
        _pair("tokenizer.ggml.model", _string, _text("gpt2")),
        _pair("tokenizer.ggml.pre", _string, _text("default")),
        _pair("tokenizer.ggml.tokens", _array, _list(_string, [_text(f"<{number}>") for number in range(size)])),
        _pair("tokenizer.ggml.token_type", _array, _list(_i32, [struct.pack("<i", _control_token)] * size)),
        _pair("tokenizer.ggml.merges", _array, _list(_string, [])),
        _pair("tokenizer.ggml.add_bos_token", _bool, b"\0"),
        *ends,
    ]


def _pair(key: str, kind: int, value: bytes) -> bytes:
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
