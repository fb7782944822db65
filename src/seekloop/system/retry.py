"""How an HTTP endpoint that has faults is asked again: after which statuses, how often, and when."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from dataclasses import dataclass

__all__ = ["PASSING", "Fault", "Patience", "retry_after"]

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""Statuses after which the same request may succeed."""
_whole = re.compile(r"\d+")
_fraction = re.compile(r"\d+(\.\d+)?")


class Fault(Exception):
    """A request that failed on the way and may be sent again.

    Args:
        problem: what went wrong.
        status: of the answer; None: there was none.
        told: what its header `Retry-After` says.
    """

    def __init__(self, problem: str, *, status: int | None = None, told: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.told = told


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often a request is sent again, and how long is waited before."""

    retries: int
    backoff_s: float
    """Before the first repetition; doubled each time."""
    longest_s: float = 60.0
    """Bound of what doubling gives."""
    longest_asked_s: float = 600.0
    """Bound of what the endpoint asks for, which comes before the other."""
    fractions: bool = False
    """Whether the endpoint may ask for parts of a second."""

    def pause(self, fault: Fault, attempt: int, *, now: dt.datetime) -> float | None:
        """Seconds to wait after the fault of attempt number `attempt`, from 0; None: it was the last one.

        Args:
            fault: what happened.
            attempt: how often the request was sent before.
            now: with a time zone.
        """
        if attempt >= self.retries:
            return None
        told = retry_after(fault.told, now=now, longest_s=self.longest_asked_s, fractions=self.fractions)
        return min(self.backoff_s * 2**attempt, self.longest_s) if told is None else told


def retry_after(value: str | None, *, now: dt.datetime, longest_s: float, fractions: bool = False) -> float | None:
    """Seconds that `Retry-After` asks for, given in seconds or as a date (RFC 9110, 10.2.3), at most `longest_s`.

    Args:
        value: of the header; None: there is none.
        now: with a time zone.
        longest_s: bound of the pause.
        fractions: also take parts of a second, which the RFC does not know and some endpoints send.

    Returns:
        None where it asks for nothing that can be understood.
    """
    told = (value or "").strip()
    if (_fraction if fractions else _whole).fullmatch(told):
        return min(float(told), longest_s)
    try:
        when = email.utils.parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=dt.UTC)
    return min(max(0.0, (when - now).total_seconds()), longest_s)
