"""Who asks: what a key says of whoever holds it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Caller"]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever holds a key, as the door found them: what is counted or kept apart is so by one of these names."""

    name: str
    """Recorded with every answer."""
    tenant: str = "local"
    """Whose data this is: nothing that one tenant said or was told is shown to another."""
