"""Sets of ids as bits: what a grammar allows next, one bit an id."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["allowed_ids", "is_allowed", "with_ids", "without_ids"]


def is_allowed(id_: int, bits: bytes) -> bool:
    """Whether the bit of an id is set; ids beyond the bits are not allowed."""
    return id_ >> 3 < len(bits) and bool(bits[id_ >> 3] >> (id_ & 7) & 1)


def allowed_ids(bits: bytes) -> list[int]:
    """All ids whose bits are set, the lowest first."""
    return [8 * place + bit for place, byte in enumerate(bits) if byte for bit in range(8) if byte >> bit & 1]


def with_ids(bits: bytes, ids: Iterable[int]) -> bytes:
    """`bits` with those of `ids` set too."""
    changed = bytearray(bits)
    for id_ in ids:
        changed.extend(bytes(max(0, (id_ >> 3) + 1 - len(changed))))
        changed[id_ >> 3] |= 1 << (id_ & 7)
    return bytes(changed)


def without_ids(bits: bytes, ids: Iterable[int]) -> bytes:
    """`bits` with those of `ids` cleared."""
    changed = bytearray(bits)
    for id_ in ids:
        if id_ >> 3 < len(changed):
            changed[id_ >> 3] &= ~(1 << (id_ & 7)) & 0xFF
    return bytes(changed)
