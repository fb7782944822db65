"""How a model is asked: what an answer may be, and the patience with an endpoint that has faults."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from seekloop.system.spec import Spec

__all__ = ["AskSpec"]

_reference = re.compile(r"\$\{\w+\}")


def _named(value: str | None) -> str | None:
    if value is not None and not _reference.fullmatch(value):
        raise ValueError("write it as ${NAME} and set the environment variable NAME: specs are kept in the ledger")
    return value


class AskSpec(Spec):
    """The labels that may be answered, and waits and retries where the model is behind an endpoint."""

    answers: Literal["free", "constrained"] = "free"
    """free: the model says what it likes. constrained: where the whole answer is a label, each of the dataset's labels
    is given its exact probability, and the likeliest is the answer."""
    key: Annotated[str | None, AfterValidator(_named)] = None
    """The endpoint's key, as `${NAME}`: read from the environment and never stored. None: it wants none."""
    timeout_s: float = Field(default=60.0, gt=0)
    """How long an endpoint may take for an answer."""
    retries: int = Field(default=4, ge=0)
    """How often a request is sent again after a fault: no connection, an answer cut short, 408, 429, 5xx."""
    backoff_s: float = Field(default=1.0, gt=0)
    """Pause before the first repetition; doubled each time, at most a minute. `Retry-After` comes before it."""
    give_up_after: int = Field(default=20, ge=1)
    """Rows in a row without an answer after which the endpoint counts as gone; what was answered is kept."""
