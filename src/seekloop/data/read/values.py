"""Values of a record as the parts that they play: text, truth, a list that may be written as JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

from seekloop.system.errors import DataError
from seekloop.text.normalize import scrub

__all__ = ["as_bool", "as_list", "as_text", "parsed", "plain", "scrubbed"]

_exact_below = 1e15
_truths: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "1", "good", "是", "好", "desirable"), True),
    **dict.fromkeys(("false", "no", "0", "bad", "否", "差", "undesirable"), False),
}


def as_text(value: object, where: str) -> str:
    """A string, or a number as one; empty for nothing.

    Raises:
        DataError: it is a list or an object, or a number that has lost digits, as long numbers do in spreadsheets.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and abs(value) >= _exact_below and value.is_integer():
        raise DataError("data.lost_digits", value=value, where=where)
    if isinstance(value, bool | int | float):
        return str(value)
    raise DataError("data.not_text", kind=type(value).__name__, where=where)


def as_bool(value: object, where: str) -> bool:
    """True or false, also written as a word or as 1 and 0.

    Raises:
        DataError: neither.
    """
    found = value if isinstance(value, bool) else _truths.get(str(value).strip().lower())
    if found is None:
        raise DataError("data.not_bool", value=value, where=where)
    return found


def parsed(value: object) -> Any:
    """The list or object that a JSON text holds; any other value as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def as_list(value: object) -> list[Any]:
    """A list, from itself, its JSON text, or one item alone; empty for nothing."""
    value = parsed(value)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def plain(value: Any) -> Any:
    """The JSON value for what a database, workbook or Parquet file holds: dates in ISO form, exact numbers as text."""
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dt.datetime) and value.time() == dt.time() and value.tzinfo is None:
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value) if isinstance(value, decimal.Decimal | uuid.UUID | dt.timedelta) else repr(value)


def scrubbed(value: Any) -> Any:
    """JSON escapes can spell half a character (a lone surrogate), which no encoding can write."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {scrub(key): scrubbed(inner) for key, inner in value.items()}
    return [scrubbed(inner) for inner in value] if isinstance(value, list) else value
