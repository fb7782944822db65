"""How a model is asked: what an answer may be, and the patience with an endpoint that has faults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.runtime.endpoint.spec import KeyName
from seekloop.system.spec import Spec

__all__ = ["AskSpec"]


class AskSpec(Spec):
    """The labels that may be answered, and waits and retries where the model is behind an endpoint."""

    answers: Literal["free", "constrained"] = "free"
    """free: the model says what it likes. constrained: where the whole answer is a label, each of the dataset's labels
    is given its exact probability, and the likeliest is the answer."""
    key: KeyName = None
    """The endpoint's key, as `${NAME}`: read from the environment and never stored. None: it wants none."""
    timeout_s: float = Field(default=60.0, gt=0)
    """How long an endpoint may take for an answer."""
    retries: int = Field(default=4, ge=0)
    """How often a request is sent again after a fault: no connection, an answer cut short, 408, 429, 5xx."""
    backoff_s: float = Field(default=1.0, gt=0)
    """Pause before the first repetition; doubled each time, at most a minute. `Retry-After` comes before it."""
    give_up_after: int = Field(default=20, ge=1)
    """Rows in a row without an answer after which the endpoint counts as gone; what was answered is kept."""
