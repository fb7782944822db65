"""What a request says beside its body about how it is answered."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from seekloop.serve.cache.look import Use, use_of
from seekloop.serve.queueing.patience import patience
from seekloop.serve.reply import Reply
from seekloop.serve.telemetry.spans import RequestSpan

__all__ = ["PLAIN", "SESSION", "Manner", "manner_of"]

SESSION = "x-seekloop-session"
"""Header that names a session."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """From the headers of a request."""

    cache: Use = "full"
    """What may come from answers that were given before."""
    patience_s: float | None = None
    """How long the client waits; None: it does not say."""
    session: str | None = None
    """For whom a request is, where one key serves many; the same word sees the same release throughout a rollout."""
    span: RequestSpan | None = None
    """The request's span, where spans are told."""

    def answered_by(self, reply: Reply, *, model: str) -> Reply:
        """`reply`, which the span tells of when it is over."""
        if self.span is not None:
            self.span.answering(reply, model=model)
        return reply


PLAIN = Manner()
"""Of a request without headers."""


def manner_of(request: Request) -> Manner:
    """Of a request that came over HTTP.

    Raises:
        UsageError: a header that cannot be read.
    """
    return Manner(
        cache=use_of(request.headers.get("cache-control", "")),
        patience_s=patience(request.headers),
        session=request.headers.get(SESSION),
        span=request.scope["state"].get("span"),
    )
