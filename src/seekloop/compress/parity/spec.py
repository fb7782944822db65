"""How a new form is compared with its parent before it counts."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["ParitySpec"]


class ParitySpec(Spec):
    """The comparison itself cannot be turned off: a form that nobody compared with its parent is not committed."""

    prompts: int = Field(default=8, ge=2, le=256)
    """Conversations that both read: the dataset's calibration rows where it has any, else built-in ones in Chinese and
    English."""
    positions: int = Field(default=4, ge=1, le=64)
    """Places in each conversation where the next token is compared; a classifier is asked once, at the prompt's end."""
    max_kl: float | None = Field(default=None, gt=0)
    """Largest KL divergence from the parent, in nats, on average over positions; None: what is usual for the precision
    (`compress/parity/limits.yaml`)."""
    max_lost: float | None = Field(default=None, gt=0)
    """Largest share of what the parent learns from the context that the form may lose; None: what is usual."""
