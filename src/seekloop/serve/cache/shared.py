"""A project's cache on a server, looked at and dropped from outside of the gateways, which may be running or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from seekloop.serve.cache.options import CacheOptions
from seekloop.serve.cache.redis import RedisShelf

__all__ = ["SharedCache"]

_least_patience_s = 5.0
"""Nobody waits for an answer here, as they do in a gateway."""


class SharedCache:
    """Copies of answers on the Redis server that a project's gateways share.

    Args:
        options: of the gateways; their backend is `redis`.
    """

    def __init__(self, options: CacheOptions) -> None:
        self._options = options
        address = urlsplit(options.url)
        self.name = f"redis {(address.netloc or '').rpartition('@')[2]}{address.path}"
        """Which server, without its password."""

    @classmethod
    def of(cls, options: CacheOptions) -> SharedCache | None:
        """The cache of these gateways; None: it is on no server."""
        return cls(options) if options.backend == "redis" else None

    def count(self, answers: Collection[str]) -> int:
        """How many copies of answers there are.

        Raises:
            ShelfFault: the server cannot be asked.
            MissingPackage: redis is not installed.
            UsageError: a secret of its address is not there.
        """
        return asyncio.run(self._each(answers, lambda shelf, answer: shelf.copies(answer)))

    def drop(self, answers: Collection[str]) -> int:
        """Remove every copy of answers; returns how many there were.

        Raises:
            ShelfFault, MissingPackage, UsageError: as for `count`; what was removed before stays so.
        """

        async def gone(shelf: RedisShelf, answer: str) -> int:
            count = await shelf.copies(answer)
            await shelf.drop(answer)
            return count

        return asyncio.run(self._each(answers, gone))

    async def _each(self, answers: Collection[str], ask: Callable[[RedisShelf, str], Awaitable[int]]) -> int:
        patience = max(_least_patience_s, self._options.timeout_ms / 1000)
        shelf = RedisShelf(self._options.url, ttl_s=self._options.ttl_s, timeout_s=patience)
        try:
            return sum([await ask(shelf, answer) for answer in sorted(answers)])
        finally:
            await shelf.close()
