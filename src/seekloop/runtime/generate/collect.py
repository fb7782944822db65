"""Puts the tokens of one stream together into a completion, and measures it."""

from __future__ import annotations

from seekloop.runtime.generate.backend import Completion, FinishReason, Token
from seekloop.system.clock import Clock

__all__ = ["Collector"]


class Collector:
    """Starts measuring when it is made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._first: float | None = None
        self._ids: list[int] = []
        self._reason: FinishReason = "stop"

    def add(self, token: Token) -> None:
        """Take the next token of the stream."""
        if token.id is not None:
            self._ids.append(token.id)
            self._first = self._first or self._clock.monotonic()
        self._reason = token.finish_reason or self._reason

    def completion(self) -> Completion:
        """What has been taken; an answer without tokens has its end for its first token."""
        ended = self._clock.monotonic()
        return Completion(
            ids=tuple(self._ids),
            finish_reason=self._reason,
            first_token_s=(self._first or ended) - self._started,
            total_s=ended - self._started,
        )
