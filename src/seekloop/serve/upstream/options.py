"""The dials of the way to an upstream: its key, and how long it is waited for."""

from __future__ import annotations

from pydantic import Field

from seekloop.runtime.endpoint.spec import KeyName
from seekloop.system.spec import Spec

__all__ = ["UpstreamOptions"]


class UpstreamOptions(Spec):
    """How a release whose checkpoint is an endpoint is asked."""

    key: KeyName = None
    """The upstream's key, as `${NAME}`: read from the environment and never stored. None: it wants none."""
    processes: int = Field(default=1, ge=1, le=64)
    """Gateway processes that listen on one address; the limits of a gateway hold for each."""
    connect_s: float = Field(default=5.0, gt=0)
    """Longest wait for a connection."""
    silence_s: float = Field(default=120.0, gt=0)
    """Longest wait for the next piece of an answer; the first comes after the upstream's own queue."""
    probe_s: float = Field(default=30.0, gt=0)
    """An upstream that was silent for this long is asked for one token, which may cost money."""
    idle_s: float = Field(default=4.0, gt=0)
    """A connection that was not used for so long is not used again; most servers close theirs after 5 s."""
    certificates: str | None = None
    """File of the authorities that the upstream's certificate is checked against; None: the system's."""
