"""The queue's dials. The defaults bound what one process holds; a reserve is kept only where tier 0 is in use."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["QueueOptions"]


class QueueOptions(Spec):
    """How many may wait for a stream, how long, and in which order they get one."""

    max_requests: int = Field(default=64, ge=0)
    """Requests of all tiers that may wait; one more is refused with 429, or takes the place of one of a lower tier."""
    max_tokens: int = Field(default=131_072, ge=1)
    """Prompt tokens of all who wait, together; a prompt that nobody is in front of may have more."""
    tier_requests: int | None = Field(default=None, ge=0)
    """Requests of any one tier that may wait; None: as many as of all."""
    tier_tokens: int | None = Field(default=None, ge=1)
    """Prompt tokens of those who wait in any one tier; None: as many as of all."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait, then 429; a request that says how long its client waits has no longer than that."""
    target_first_token_s: float = Field(default=10.0, gt=0)
    """A request whose prompt and those before it take longer to read than this, at the measured rate, is refused."""
    reserved: int | None = Field(default=None, ge=0)
    """Streams that only tier 0 may take while it is about; None: a quarter of them. One is always left to others."""
    reserve_s: float = Field(default=60.0, ge=0)
    """How long after its last request tier 0 counts as about; before its first one nothing is kept for it."""
    turn: int = Field(default=10, ge=2)
    """Of so many starts in a row, one goes to whoever has waited longest in a lower tier, so that none starves."""
    sent_back: int = Field(default=2, ge=0)
    """How often a request of a lower tier may be stopped before any of its answer is out, and put back at the head of
    its tier, because tier 0 found no stream; 0: never."""
