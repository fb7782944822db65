"""What a server needs of a generation backend: the same ids in and out, awaited, cancelled and probed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from seekloop.runtime.generate.backend import Ability, Chance, Prompt, Token

__all__ = ["AsyncBackend"]


class AsyncBackend(Protocol):
    """Generates with one immutable checkpoint, for many callers at once."""

    name: str
    """Backend and version, for reports: `llamacpp 2026.10.11549`."""
    abilities: frozenset[Ability]

    def stream(self, prompt: Prompt) -> AsyncGenerator[Token, None]:
        """Answer one prompt token by token; the last token has `finish_reason` set. `aclose` cancels the rest.

        Raises:
            EngineError: the prompt does not fit, or the engine broke.
        """

    async def read(self, ids: Sequence[int], *, top: int) -> tuple[Chance, ...]:
        """What the model gives each id of a text but the first, after those before it, with the `top` likeliest.

        Raises:
            EngineError: the text does not fit, the engine tells no log-probabilities, or it broke.
        """

    async def among(self, ids: Sequence[int], *, allowed: bytes, most: int) -> tuple[tuple[int, float], ...]:
        """The likeliest ids after `ids` of those that are allowed, each with its log-probability, likeliest first.

        Args:
            ids: the text so far.
            allowed: a bit an id, the lowest bit of the first byte being id 0; one is set at least.
            most: how many at most.

        Raises:
            EngineError: the text does not fit, the engine has no such ability (`grammar`), or it broke.
        """

    async def embed(self, ids: Sequence[int]) -> tuple[float, ...]:
        """The mean over a text's ids of what the last layer makes of each, [width].

        Raises:
            EngineError: the text does not fit, the engine has no such ability (`embeddings`), or it broke.
        """

    def alive(self) -> bool:
        """Whether the engine's process runs; says nothing about whether it answers: see `probe`."""

    async def probe(self) -> None:
        """Return once the engine has shown that it still works, whatever it is busy with.

        A hanging engine never returns: bound the wait with `asyncio.timeout`.

        Raises:
            EngineError: the engine is gone.
        """

    async def close(self) -> None:
        """Free the weights and end any process, for certain."""
