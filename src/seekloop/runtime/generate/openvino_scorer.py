"""Log-probabilities with OpenVINO: the context of a fork is read once, its ways in one pass after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from seekloop.runtime.generate.backend import Backend
from seekloop.runtime.generate.bridge import Blocking
from seekloop.runtime.generate.likelihood import Fork, Likelihood
from seekloop.runtime.generate.openvino import OpenVino

__all__ = ["OpenVinoScorer"]


class OpenVinoScorer:
    """Scores with one engine process, which holds the weights a second time from the first score on.

    Args:
        engine: of a model in OpenVINO's own form.
    """

    def __init__(self, engine: OpenVino) -> None:
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
