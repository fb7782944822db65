"""How long a client says that it waits."""

from __future__ import annotations

import math
from collections.abc import Mapping

from seekloop.system.errors import UsageError

__all__ = ["HEADER", "patience"]

HEADER = "x-request-timeout"
"""Seconds that the client gives the whole request."""
_of_openai = ("x-stainless-read-timeout", "x-stainless-timeout")
"""What OpenAI's clients send of their own `timeout`."""


def patience(headers: Mapping[str, str]) -> float | None:
    """Seconds after which the client does not wait any more; None: it does not say.

    Raises:
        UsageError: our header holds something else than seconds. What OpenAI's clients add themselves is read where it
            is a number.
    """
    given = headers.get(HEADER)
    if given is not None:
        seconds = _seconds(given)
        if seconds is None:
            raise UsageError("queueing.not_seconds", header=HEADER, value=given)
        return seconds
    theirs = (_seconds(headers[name]) for name in _of_openai if name in headers)
    return next((seconds for seconds in theirs if seconds is not None), None)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
