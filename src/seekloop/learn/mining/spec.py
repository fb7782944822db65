"""How a window of production is looked at."""

from __future__ import annotations

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["MiningSpec"]


class MiningSpec(Spec):
    """Error rates, thresholds and the budget of people's time."""

    alpha: float = Field(default=0.01, gt=0, lt=0.5)
    """Where nothing changed, at most this share of windows is said to have drifted, all features together; the same
    for new intents."""
    least_psi: float = Field(default=0.1, ge=0)
    """A feature that is certain to have changed has drifted only if its population stability index is this large."""
    permutations: int = Field(default=999, ge=99, le=9_999)
    """Of the test of what messages are about; 999 tell p-values from 0.001 on."""
    compared: int = Field(default=1_000, ge=50, le=5_000)
    """Messages of each side whose meaning is compared; of more, so many are chosen by digest."""
    near: float = Field(default=0.8, ge=0.5, le=1)
    """Similarity from which a message is like one that was answered wrongly; 1 less the share of edited characters."""
    least_intent: int = Field(default=5, ge=3)
    """Messages that a new intent has at least."""
    intent_ratio: float = Field(default=4.0, gt=1)
    """How many times more frequent, in the window, messages like a new intent's are than among the known rows."""
    budget: int = Field(default=50, ge=1, le=10_000)
    """Answers that people are asked to look at."""
    opinions: int = Field(default=1, ge=1, le=5)
    """People who look at each of them, none knowing what the others said."""
