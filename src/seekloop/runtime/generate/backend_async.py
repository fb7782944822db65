"""What a server needs of a generation backend: the same ids in and out, awaited, cancelled and probed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from seekloop.runtime.generate.backend import Chance, Prompt, Token

__all__ = ["AsyncBackend"]


class AsyncBackend(Protocol):
    """Generates with one immutable checkpoint, for many callers at once."""

    name: str
    """Backend and version, for reports: `llamacpp 2026.10.11549`."""

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
