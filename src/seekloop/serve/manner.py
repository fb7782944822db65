"""What a request says beside its body about how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from starlette.requests import Request

from seekloop.serve.cache.look import Use, use_of
from seekloop.serve.heads import heads_of
from seekloop.serve.queueing.patience import patience
from seekloop.serve.reply import Reply
from seekloop.serve.telemetry.spans import RequestSpan
from seekloop.system.errors import UsageError

__all__ = ["CONSENT", "PLAIN", "SESSION", "Manner", "manner_of"]

SESSION = "x-seekloop-session"
"""Header that names a session."""
CONSENT = "x-seekloop-train"
"""Header that says whether the answer may be learnt from: `yes` or `no`."""
_consents: Mapping[str, bool] = MappingProxyType(
    {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
)


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
    consent: bool | None = None
    """Whether the answer may be learnt from; None: the headers do not say."""

    def consents(self, store: bool | None) -> bool | None:
        """What header and body say together: where one says no, it is no."""
        said = {self.consent, store} - {None}
        return None if not said else False not in said

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
    heads = heads_of(request.scope)
    return Manner(
        cache=use_of(heads.get("cache-control", "")),
        patience_s=patience(heads),
        session=heads.get(SESSION),
        span=request.scope["state"].get("span"),
        consent=_consent(heads.get(CONSENT)),
    )


def _consent(said: str | None) -> bool | None:
    if said is None:
        return None
    if said.strip().lower() not in _consents:
        # A word that nobody can read may have meant no.
        raise UsageError("feedback.bad_consent", header=CONSENT, value=said)
    return _consents[said.strip().lower()]
