"""Log-probabilities with llama.cpp: a request a way, the context read once for all ways of a fork."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from seekloop.runtime.generate.backend import Backend
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.likelihood import Fork, Likelihood
from seekloop.runtime.generate.llamacpp import LlamaCpp

__all__ = ["LlamaCppScorer"]


class LlamaCppScorer:
    """Scores with one engine process.

    Args:
        engine: started with one stream and a prompt cache: its only stream then always knows the context that the ways
            of a fork have in common. The fewer ids it ends at, the better.
    """

    def __init__(self, engine: LlamaCpp) -> None:
        self.name = engine.name
        self._engine = engine
        self._generator = Blocking(engine, streams=1)
        self.generator: Backend = self._generator

    def score(self, forks: Sequence[Fork]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        """Score all forks, in their order.

        Raises:
            EngineError: a way does not fit the context, or the engine died.
        """
        for index, fork in enumerate(forks):
            yield index, self._generator.run(self._ways(fork))

    def close(self) -> None:
        """End the process."""
        self._generator.close()

    def __enter__(self) -> Self:
        """The scorer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    async def _ways(self, fork: Fork) -> tuple[Likelihood, ...]:
        return tuple(await asyncio.gather(*(self._engine.likelihood(fork.context, way) for way in fork.ways)))
