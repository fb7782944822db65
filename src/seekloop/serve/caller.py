"""Who asks: what a key says of whoever holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from seekloop.serve.limits import Limits

__all__ = ["Caller", "Role"]


class Role(StrEnum):
    """What a caller may do. Each may do what those before it may."""

    VIEWER = "viewer"
    """See what is served."""
    USER = "user"
    """Ask the model, and say what was wrong with its own answers."""
    REVIEWER = "reviewer"
    """Judge and trace everybody's answers."""
    OPERATOR = "operator"
    """Change what is served."""
    ADMIN = "admin"
    """See who may call, and what everybody did."""

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        return _ladder[self] >= _ladder[needed]


_ladder = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever holds a key, as the door found them: what is counted or kept apart is so by one of these names."""

    name: str
    """Recorded with every answer."""
    tenant: str = "local"
    """Whose data this is: nothing that one tenant said or was told is shown to another."""
    role: Role = Role.USER
    tier: int = 1
    """Whose turn it is first where requests have to wait: 0 is the highest."""
    limits: Limits = field(default_factory=Limits)
    """How much may be asked."""
    key: str = ""
    """What is used up is counted under this id; empty: nothing is."""
