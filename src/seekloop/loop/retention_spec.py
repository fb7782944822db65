"""How long texts of production are kept."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["RetentionSpec"]


class RetentionSpec(Spec):
    """Days after which texts are destroyed, by what they are; None: they are kept. Figures and signatures stay."""

    answers: int | None = Field(default=None, ge=1)
    """Messages and answers; what was said of an answer goes with it."""
    feedback: int | None = Field(default=None, ge=1)
    """Corrections and comments, where they shall go before their answers."""
    shadows: int | None = Field(default=None, ge=1)
    """What other releases would have answered, where it shall go before the answers."""
    traffic: int | None = Field(default=None, ge=1)
    """Traffic artifacts, which hold texts in clear: their files are removed."""
