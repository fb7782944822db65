"""Log-probabilities from an engine in a process of its own, fork by fork."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from seekloop.runtime.generate.backend import Backend
from seekloop.runtime.generate.backend_async import AsyncBackend
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.likelihood import Fork, Likelihood

__all__ = ["Engine", "EngineScorer"]


class Engine(AsyncBackend, Protocol):
    """An engine that tells log-probabilities."""

    async def likelihoods(self, fork: Fork) -> tuple[Likelihood, ...]:
        """The log-probability of each way after the context.

        Raises:
            EngineError: they do not fit, or the engine died.
        """


class EngineScorer:
    """Scores with one engine process.

    Args:
        engine: llama.cpp's is started with one stream, a prompt cache and as few stop ids as can be: its only stream
            then always knows the context that the ways of a fork have in common. OpenVINO's is of a model in its own
            form, and holds the weights a second time from the first score on.
    """

    def __init__(self, engine: Engine) -> None:
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
            yield index, self._generator.run(self._engine.likelihoods(fork))

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
