"""What a likelihood scorer does: a context and ways to go on in, each way's log-probability out, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from seekloop.runtime.generate.backend import Backend
from seekloop.system.errors import EngineError

__all__ = ["Fork", "Likelihood", "Scorer", "check_fork"]


@dataclass(frozen=True)
class Fork:
    """A context, and what may follow it."""

    context: tuple[int, ...]
    """At least one id."""
    ways: tuple[tuple[int, ...], ...]
    """Each at least one id."""


@dataclass(frozen=True)
class Likelihood:
    """Of one way after its context."""

    logprob: float
    """Natural logarithm of the probability of all its ids, in nats."""
    greedy: bool
    """Whether each of its ids is the likeliest where it stands."""


class Scorer(Protocol):
    """Scores with one immutable checkpoint. Use as a context manager, or call `close`."""

    name: str
    """Engine and version."""
    generator: Backend
    """The same weights, generating."""

    def score(self, forks: Sequence[Fork]) -> Iterator[tuple[int, tuple[Likelihood, ...]]]:
        """Score all forks; yields (index, a likelihood a way) as each one ends.

        Raises:
            EngineError: a way does not fit the context, or the engine broke.
        """

    def close(self) -> None:
        """Free the weights and any process."""

    def __enter__(self) -> Self:
        """The scorer itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""


def check_fork(fork: Fork, *, context: int) -> None:
    """Make sure that every way fits behind its context; its last id is predicted and never read.

    Raises:
        EngineError: one does not; the counts are told.
        ValueError: the context or a way is empty, or there is no way.
    """
    if not fork.context or not fork.ways or not all(fork.ways):
        raise ValueError("a fork needs a context and ways of at least one id")
    longest = max(map(len, fork.ways))
    if len(fork.context) + longest - 1 > context:
        raise EngineError("runtime.prompt_too_long", prompt=len(fork.context), answer=longest, context=context)
