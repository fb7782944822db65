"""Writes the head of a GGUF file, byte by byte."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["gguf_bytes"]


def gguf_bytes(metadata: dict[str, Any], *, version: int = 3) -> bytes:
    """A GGUF file with these pairs and no tensors."""
    parts = [struct.pack("<4sIQQ", b"GGUF", version, 0, len(metadata))]
    for key, value in metadata.items():
        kind, data = _packed(value)
        parts.append(_text(key) + struct.pack("<I", kind) + data)
    return b"".join(parts)


def _packed(value: Any) -> tuple[int, bytes]:
    match value:
        case bool():
            return 7, struct.pack("<?", value)
        case int():
            return 4, struct.pack("<I", value)
        case float():
            return 6, struct.pack("<f", value)
        case str():
            return 8, _text(value)
    packed = [_packed(item) for item in value]
    kind = packed[0][0] if packed else 4
    return 9, struct.pack("<IQ", kind, len(packed)) + b"".join(data for _, data in packed)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
