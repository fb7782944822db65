"""Bytes that only the holder of a key can work out: HMAC-SHA-256 (RFC 2104) in counter mode, and tags made of it."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["Stream", "tag"]

T = TypeVar("T")


def tag(key: bytes, *names: str, length: int = 16) -> str:
    """`length` characters a-z, 2-7 (5 bits each) that stand for `names` under `key`."""
    digest = hmac.digest(key, "\x1f".join(names).encode(), "sha256")
    return base64.b32encode(digest).decode().lower()[:length]


class Stream:
    """Choices that are the same whenever key and names are the same."""

    def __init__(self, key: bytes, *names: str) -> None:
        self._key = key
        self._name = "\x1f".join(names)
        self._count = 0

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._count += 1
        digest = hmac.digest(self._key, f"{self._name}\x1f{self._count}".encode(), "sha256")
        return int.from_bytes(digest[:8], "big") % limit

    def choice(self, among: Sequence[T]) -> T:
        """One of them."""
        return among[self.below(len(among))]

    def digits(self, count: int) -> str:
        """So many decimal digits."""
        return "".join(str(self.below(10)) for _ in range(count))
