"""The dials of figures and spans."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["TelemetryOptions"]


class TelemetryOptions(Spec):
    """What is told, and to whom. `GET /metrics` is always there and asks for a key like every other route."""

    otlp: str | None = Field(default=None, pattern=r"^https?://")
    """OTLP address (HTTP, protobuf) that spans go to, `http://127.0.0.1:4318/v1/traces`; None: there are none."""
    sample: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the traces that begin here; one that a caller began (`traceparent`) is told as the caller decided."""
    content: bool = False
    """Whether spans hold what was asked and answered. Whoever reads them then reads your users' words."""
    share: Path | None = None
    """Folder in which gateway processes of one address leave their figures, so that a scrape of any tells of all; None:
    of this process alone."""
    service: str = "seekloop"
    """`service.name` of the spans."""
