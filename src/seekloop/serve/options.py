"""The gateway's dials: limits, waits and the engine. None of them changes what a release answers."""

from __future__ import annotations

from pydantic import Field

from seekloop.serve.access.options import AccessOptions
from seekloop.serve.cache.options import CacheOptions
from seekloop.serve.engine_options import EngineOptions
from seekloop.serve.guard.spec import GuardOptions
from seekloop.serve.queueing.options import QueueOptions
from seekloop.serve.safety.options import SafetyOptions
from seekloop.serve.telemetry_options import TelemetryOptions
from seekloop.serve.upstream.options import UpstreamOptions

__all__ = ["GatewayOptions"]


class GatewayOptions(EngineOptions):
    """Limits and waits of one gateway process."""

    alias: str = "production"
    """Ledger alias whose release is served, now and after every move."""
    max_tokens: int = Field(default=4096, ge=1)
    """Longest answer, in tokens, whatever a request asks for."""
    queue: QueueOptions = QueueOptions()
    """Who waits for a stream, how many, and for how long."""
    keep_previous: bool = True
    """Keep the engine of the release before warm, so that a rollback needs no loading."""
    poll_s: float = Field(default=0.2, gt=0)
    """How often the alias is read."""
    retry_s: float = Field(default=5.0, gt=0)
    """Wait before a release that did not start is tried again."""
    commit_window_ms: float = Field(default=0.0, ge=0)
    """How long an answer waits for others to be written with; 0: those that came during the last write go together."""
    drain_s: float = Field(default=30.0, ge=0)
    """How long requests in flight may take to finish when the gateway stops."""
    check_s: float = Field(default=1.0, gt=0)
    """How often engines are looked at."""
    probe_s: float = Field(default=3.0, gt=0)
    """An engine that was silent for this long is asked for a sign of life, and has as long to give it, or twice the
    time that reading its prompts should take where that is longer; then it is replaced."""
    access: AccessOptions = AccessOptions()
    """Keys, prices, an identity provider, TLS."""
    upstream: UpstreamOptions = UpstreamOptions()
    """How a release whose checkpoint is an endpoint is asked."""
    cache: CacheOptions = CacheOptions()
    """Answers that were given before."""
    telemetry: TelemetryOptions = TelemetryOptions()
    """Spans; figures are always there."""
    safety: SafetyOptions = SafetyOptions()
    """Rules, classifier and personal data on both sides; how engine processes are shut in."""
    guard: GuardOptions = GuardOptions()
    """Extraction defence."""
