"""What an answer may cost: the goal for its first token, and the prices of machine and tokens."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["EfficiencySpec"]


class EfficiencySpec(Spec):
    """Prices are in any one currency; cost_per_1000_answers is in the same."""

    first_token_goal_s: float = Field(default=0.5, gt=0)
    """Goal for the time to the first token, in seconds."""
    price_per_hour: float | None = Field(default=None, ge=0)
    """Of the machine that answers; None: not known, and not counted."""
    price_per_million_prompt_tokens: float | None = Field(default=None, ge=0)
    """Of an endpoint that charges by the token."""
    price_per_million_answer_tokens: float | None = Field(default=None, ge=0)
    """Of an endpoint that charges by the token."""
