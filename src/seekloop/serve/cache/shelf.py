"""Where kept answers lie: what every shelf does, and what it raises when it cannot."""

from __future__ import annotations

from typing import Protocol

from seekloop.serve.cache.kept import Kept

__all__ = ["Shelf", "ShelfFault"]


class ShelfFault(Exception):
    """The shelf could not be asked: its file or server is away, slow, full or damaged."""


class Shelf(Protocol):
    """Keeps answers by key. What it does not know, or no longer, it has never known."""

    shared: bool
    """Whether it outlives this process, or others see it."""

    async def get(self, key: str) -> Kept | None:
        """The answer under `key`.

        Raises:
            ShelfFault: it cannot be asked.
        """

    async def put(self, key: str, kept: Kept) -> None:
        """Keep an answer; what is there under `key` is replaced.

        Raises:
            ShelfFault: it cannot be asked.
        """

    async def drop(self, answer: str) -> None:
        """Forget every copy of the answer with this id.

        Raises:
            ShelfFault: it cannot be asked.
        """

    async def clear(self) -> None:
        """Forget everything.

        Raises:
            ShelfFault: it cannot be asked.
        """

    async def close(self) -> None:
        """Let go of files and connections."""

    def size(self) -> tuple[int, int]:
        """Entries and bytes, as far as this process knows them."""
