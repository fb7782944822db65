"""How much a key may ask: a rate of requests, and budgets of tokens and money a day and a month."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from seekloop.system.errors import UsageError

__all__ = ["MICRO", "Limits"]

MICRO = 1_000_000
"""Money is counted in whole millionths of the currency."""
_seconds = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_windows = ("day", "month")
_most = 10**15


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a key may use; None: as much as it likes. Days and months are those of UTC."""

    requests: int | None = None
    """So many requests in `per_s` seconds, all of them at once where it was quiet before."""
    per_s: int = 60
    tokens_day: int | None = None
    """Prompt and completion together."""
    tokens_month: int | None = None
    cost_day: int | None = None
    """In millionths of the currency."""
    cost_month: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self != Limits(per_s=self.per_s)

    @classmethod
    def parse(cls, *, rate: str | None = None, tokens: Sequence[str] = (), cost: Sequence[str] = ()) -> Self:
        """Limits in words: rate `60/min`, tokens `1e6/day`, cost `5/day` and `100/month`.

        Raises:
            UsageError: what is given is no such limit.
        """
        found: dict[str, int] = {}
        if rate is not None:
            amount, unit = _parts(rate, "60/min", known=tuple(_seconds))
            found |= {"requests": _whole(amount, rate, example="60/min"), "per_s": _seconds[unit]}
        for text in tokens:
            amount, unit = _parts(text, "1e6/day", known=_windows)
            found[f"tokens_{unit}"] = _whole(amount, text, example="1e6/day")
        for text in cost:
            amount, unit = _parts(text, "5/day", known=_windows)
            found[f"cost_{unit}"] = _whole(amount * MICRO, text, example="5/day")
        return cls(**found)

    def as_json(self) -> dict[str, int]:
        """What is limited, as the ledger keeps it."""
        return (
            {name: value for name, value in dataclasses.asdict(self).items() if value is not None} if self.any else {}
        )

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(**value)

    @property
    def words(self) -> list[str]:
        """Each limit as `parse` takes it, for people to read."""
        units = {1: "s", 60: "min", 3600: "h"}
        shown = [] if self.requests is None else [f"{self.requests}/{units.get(self.per_s, f'{self.per_s} s')}"]
        for name in _windows:
            tokens = {"day": self.tokens_day, "month": self.tokens_month}[name]
            shown += [] if tokens is None else [f"{tokens} tokens/{name}"]
        for name in _windows:
            cost = {"day": self.cost_day, "month": self.cost_month}[name]
            shown += [] if cost is None else [f"cost {cost / MICRO:g}/{name}"]
        return shown


def _parts(text: str, example: str, *, known: tuple[str, ...]) -> tuple[Decimal, str]:
    number, _, unit = (part.strip() for part in text.partition("/"))
    try:
        amount = Decimal(number)
    except InvalidOperation:
        amount = Decimal(0)
    if unit not in known or not amount.is_finite() or not 0 < amount <= _most:
        raise UsageError("access.limit_bad", text=text, example=example, known=", ".join(known))
    return amount, unit


def _whole(amount: Decimal, text: str, *, example: str) -> int:
    if amount != amount.to_integral_value() or amount < 1:
        raise UsageError("access.limit_bad", text=text, example=example, known="whole numbers")
    return int(amount)
