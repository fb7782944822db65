"""The key-value pairs at the head of a GGUF file (ggml's `docs/gguf.md`, versions 2 and 3), without its tensors."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from seekloop.system.errors import ModelError

__all__ = ["read_header"]

_numbers = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_string, _array = 8, 9


def read_header(path: Path) -> dict[str, Any]:
    """The metadata of a little-endian GGUF file: `general.architecture`, `tokenizer.ggml.tokens` and so on.

    Raises:
        ModelError: it is no GGUF file, or ends early.
    """
    with path.open("rb") as file:
        try:
            magic, version, _, count = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF" or version not in (2, 3):
                raise ModelError("model.not_gguf", path=path)
            return {_text(file): _value(file, _number(file, "I")) for _ in range(count)}
        except (struct.error, UnicodeDecodeError, KeyError, MemoryError, OverflowError) as error:
            raise ModelError("model.not_gguf", path=path) from error


def _number(file: BinaryIO, code: str) -> Any:
    return struct.unpack(f"<{code}", file.read(struct.calcsize(f"<{code}")))[0]


def _text(file: BinaryIO) -> str:
    length = _number(file, "Q")
    data = file.read(length)
    if len(data) < length:
        raise struct.error("the file ends inside a string")
    return data.decode()


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _string:
        return _text(file)
    if kind != _array:
        return _number(file, _numbers[kind])
    inner, count = _number(file, "I"), _number(file, "Q")
    if inner in (_string, _array):
        return [_value(file, inner) for _ in range(count)]
    code = f"<{count}{_numbers[inner]}"
    return list(struct.unpack(code, file.read(struct.calcsize(code))))
