"""Kept answers on a Redis server, which gateways of many machines share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seekloop.serve.cache.kept import Kept, dumped, loaded
from seekloop.serve.cache.shelf import ShelfFault
from seekloop.system.lazy import need
from seekloop.system.secrets import fill

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisShelf"]

_prefix = "seekloop:cache:"


class RedisShelf:
    """A shelf on a server, which bounds itself (`maxmemory`, `maxmemory-policy allkeys-lru`).

    Args:
        url: `redis://`, `rediss://` or `unix://`, with `${NAME}` for secrets.
        ttl_s: how long each answer is kept.
        timeout_s: longest wait for an answer of the server.

    Raises:
        MissingPackage: redis is not installed.
        UsageError: a secret is not there.
    """

    shared = True

    def __init__(self, url: str, *, ttl_s: float, timeout_s: float) -> None:
        asyncio_redis = need("redis.asyncio", extra="redis")
        self._faults: tuple[type[Exception], ...] = (need("redis", extra="redis").RedisError, OSError)
        self._ttl_ms = round(1000 * ttl_s)
        self._server: Redis = asyncio_redis.Redis.from_url(
            fill(url), socket_timeout=timeout_s, socket_connect_timeout=timeout_s, protocol=2
        )

    async def get(self, key: str) -> Kept | None:
        """The answer under `key`."""
        body = await self._asked("GET", _prefix + key)
        try:
            return None if body is None else loaded(body)
        except ValueError as error:
            raise ShelfFault(f"redis: {error}") from error

    async def put(self, key: str, kept: Kept) -> None:
        """Keep an answer, and which keys it lies under."""
        index = _index(kept.answer)
        pipe = self._server.pipeline(transaction=True)
        pipe.set(_prefix + key, dumped(kept), px=self._ttl_ms)
        pipe.sadd(index, key)
        pipe.pexpire(index, self._ttl_ms)
        try:
            await pipe.execute()
        except self._faults as error:
            raise ShelfFault(f"redis: {error}") from error

    async def drop(self, answer: str) -> None:
        """Forget every copy of the answer with this id."""
        keys = await self._asked("SMEMBERS", _index(answer))
        await self._asked("UNLINK", _index(answer), *(_prefix + key.decode() for key in keys))

    async def copies(self, answer: str) -> int:
        """How many copies of the answer with this id are there."""
        keys = await self._asked("SMEMBERS", _index(answer))
        return int(await self._asked("EXISTS", *(_prefix + key.decode() for key in keys))) if keys else 0

    async def clear(self) -> None:
        """Forget everything that any gateway keeps there."""
        cursor = b"0"
        while True:
            cursor, keys = await self._asked("SCAN", cursor.decode(), "MATCH", f"{_prefix}*", "COUNT", "1000")
            if keys:
                await self._asked("UNLINK", *(key.decode() for key in keys))
            if int(cursor) == 0:
                return

    async def close(self) -> None:
        """Let go of the connections."""
        await self._server.aclose()

    def size(self) -> tuple[int, int]:
        """Not known here: the server's own metrics say."""
        return 0, 0

    async def _asked(self, *command: str) -> Any:
        try:
            return await self._server.execute_command(*command)  # type: ignore[no-untyped-call]
        except self._faults as error:
            raise ShelfFault(f"redis: {error}") from error


def _index(answer: str) -> str:
    return f"{_prefix}answer:{answer}"
