"""One look into the cache on a request's way, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from seekloop.serve.cache.kept import Kept

__all__ = ["Look", "Outcome", "Use", "use_of"]

Outcome = Literal["off", "bypass", "miss", "hit", "joined", "similar"]
"""No cache; not asked; nothing there; an equal request's answer, from before or made meanwhile; that of a question in
nearly the same words."""
Use = Literal["full", "refresh", "none"]
"""What a request wants: read and keep; generate anew and keep; leave the cache alone."""


def use_of(cache_control: str) -> Use:
    """What the header `Cache-Control` of a request asks for: `no-store` leaves the cache alone, `no-cache` renews."""
    if not cache_control:
        return "full"
    words = {word.strip() for word in cache_control.lower().split(",")}
    if "no-store" in words:
        return "none"
    return "refresh" if words & {"no-cache", "max-age=0"} else "full"


class Look:
    """What was found, and who is told once the answer is over.

    Args:
        outcome: what came of it.
        kept: the answer to give; None: it has to be generated.
        similarity: cosine of the two questions, where they are not equal.
        over: told the generated answer, or None where there is none to keep.
    """

    def __init__(
        self,
        outcome: Outcome,
        *,
        kept: Kept | None = None,
        similarity: float | None = None,
        over: Callable[[Kept | None], None] | None = None,
    ) -> None:
        self.outcome = outcome
        self.kept = kept
        self._similarity = similarity
        self._over = over

    @property
    def word(self) -> str | None:
        """For the header `x-seekloop-cache`; None: there is no cache."""
        return {"off": None, "joined": "hit"}.get(self.outcome, self.outcome)

    @property
    def facts(self) -> dict[str, Any]:
        """For the row of an answer that was found: whose it is."""
        if self.kept is None:
            return {}
        near = {} if self._similarity is None else {"similarity": round(self._similarity, 4)}
        return {"cached": {"answer": self.kept.answer, **near}}

    def over(self, kept: Kept | None) -> None:
        """The request is over; `kept`: what it generated, if others may have it. Again is nothing new."""
        told, self._over = self._over, None
        if told is not None:
            told(kept)
