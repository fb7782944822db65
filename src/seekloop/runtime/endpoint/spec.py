"""Which model is asked, at what price, how patiently, and where the asking stops."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from seekloop.system.spec import Spec

__all__ = ["EndpointSpec", "KeyName", "LimitSpec", "require_price"]

_reference = re.compile(r"\$\{\w+\}")


def _named(value: str | None) -> str | None:
    if value is not None and not _reference.fullmatch(value):
        raise ValueError("write it as ${NAME} and set the environment variable NAME: specs are kept in the ledger")
    return value


KeyName = Annotated[str | None, AfterValidator(_named)]
"""A key as `${NAME}`: read from the environment and never stored."""


class EndpointSpec(Spec):
    """An OpenAI-compatible chat endpoint."""

    url: str = Field(pattern=r"^https?://")
    """Address up to `/v1`: `https://api.deepseek.com/v1`, `http://127.0.0.1:8000/v1`."""
    model: str
    """Name of the model, as the endpoint knows it."""
    key: KeyName = None
    """The key, as `${NAME}`: read from the environment and never stored. None: the endpoint wants none."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    """Of sampling."""
    max_tokens: int = Field(default=1_024, ge=1)
    """Tokens of an answer at most."""
    json_mode: bool = True
    """Ask for a JSON object (`response_format`); switch off for endpoints that do not know it."""
    concurrency: int = Field(default=4, ge=1, le=256)
    """Requests under way at once."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """None: no limit of ours."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens in and out; None: no limit of ours."""
    timeout_s: float = Field(default=120.0, gt=0)
    """How long an answer may take."""
    retries: int = Field(default=6, ge=0)
    """How often a request is sent again after a fault: no connection, an answer cut short, 408, 429, 5xx."""
    backoff_s: float = Field(default=1.0, gt=0)
    """Pause before the first repetition; doubled each time, at most a minute. `Retry-After` comes before it."""
    price_in: float | None = Field(default=None, ge=0)
    """Money for a million tokens of prompts."""
    price_out: float | None = Field(default=None, ge=0)
    """Money for a million tokens of answers."""


class LimitSpec(Spec):
    """Where the asking stops. What was answered in earlier runs of the same spec counts too."""

    money: float | None = Field(default=None, gt=0)
    """In the currency of the prices."""
    tokens: int | None = Field(default=None, ge=1)
    """In and out together."""


def require_price(budget: LimitSpec, endpoint: EndpointSpec) -> None:
    """Refuse a budget in money that nothing could be counted against.

    Raises:
        ValueError: the endpoint has no price.
    """
    if budget.money is not None and endpoint.price_in is None and endpoint.price_out is None:
        raise ValueError("a budget in money needs the endpoint's price_in or price_out")
