"""When an HTTP endpoint wants to be asked again."""

from __future__ import annotations

import datetime as dt
import email.utils
import re

__all__ = ["retry_after"]

_whole = re.compile(r"\d+")
_fraction = re.compile(r"\d+(\.\d+)?")


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
