"""A shelf outside this process, made harmless: whatever goes wrong with it is a miss, soon and with one warning."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from seekloop.serve.cache.breaker import Breaker
from seekloop.serve.cache.kept import Kept
from seekloop.serve.cache.shelf import Shelf, ShelfFault

__all__ = ["Guarded"]

T = TypeVar("T")


class Guarded:
    """A shelf that never raises and never takes longer than `timeout_s`.

    What could not be dropped is remembered, and dropped before anything else is read.

    Args:
        shelf: the one outside.
        timeout_s: longest wait for it.
        breaker: leaves it alone while it fails.
    """

    def __init__(self, shelf: Shelf, *, timeout_s: float, breaker: Breaker) -> None:
        self.shared = shelf.shared
        self.failures = 0
        """Times that it could not be asked."""
        self._shelf = shelf
        self._timeout_s = timeout_s
        self._breaker = breaker
        self._owed: dict[str | None, None] = {}
        self._logger = logging.getLogger("seekloop.serve")

    async def get(self, key: str) -> Kept | None:
        """The answer under `key`; None as well where the shelf cannot be asked."""
        if self._owed and not await self._settled():
            return None
        return await self._tried(self._shelf.get(key))

    async def put(self, key: str, kept: Kept) -> None:
        """Keep an answer, where the shelf can be asked."""
        await self._tried(self._shelf.put(key, kept))

    async def drop(self, answer: str) -> None:
        """Forget every copy of an answer, now or before the next reading."""
        self._owed[answer] = None
        await self._settled()

    async def clear(self) -> None:
        """Forget everything, now or before the next reading."""
        self._owed[None] = None
        await self._settled()

    async def close(self) -> None:
        """Let go of it."""
        await self._shelf.close()

    def size(self) -> tuple[int, int]:
        """Entries and bytes, as far as this process knows them."""
        return self._shelf.size()

    async def _settled(self) -> bool:
        """Whether every drop that is owed came about."""
        for answer in list(self._owed):
            before = self.failures
            if self._breaker.open:
                return False
            work = self._shelf.clear() if answer is None else self._shelf.drop(answer)
            await self._tried(work, asked=True)
            if self.failures != before:
                return False
            self._owed.pop(answer, None)
        return True

    async def _tried(self, work: Coroutine[Any, Any, T], *, asked: bool = False) -> T | None:
        if not asked and self._breaker.open:
            work.close()
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                result = await work
        except (ShelfFault, TimeoutError) as error:
            self.failures += 1
            if self._breaker.failed():
                self._logger.warning("the cache cannot be asked, answers are generated: %s", _words(error))
            return None
        if self._breaker.worked():
            self._logger.warning("the cache answers again")
        return result


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
