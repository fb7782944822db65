"""A second engine process over the same model, for what the first one cannot do; started when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["Beside"]


class _Engine(Protocol):
    def alive(self) -> bool:
        """Whether its process runs."""

    async def close(self) -> None:
        """End its process."""


EngineT = TypeVar("EngineT", bound=_Engine)


class Beside(Generic[EngineT]):
    """An engine that is there from the first call of `engine` on, and again whenever it died.

    Args:
        start: starts it; blocks.
    """

    def __init__(self, start: Callable[[], EngineT]) -> None:
        self._start = start
        self._engine: EngineT | None = None
        self._changing = asyncio.Lock()

    async def engine(self) -> EngineT:
        """The engine, running.

        Raises:
            EngineError: it does not start.
        """
        async with self._changing:
            if self._engine is None or not self._engine.alive():
                await self._end()
                self._engine = await asyncio.to_thread(self._start)
            return self._engine

    async def close(self) -> None:
        """End it, where it was started."""
        async with self._changing:
            await self._end()

    async def _end(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()
