"""Budgets of all keys in one gateway process: counted in memory, shared with others through the ledger's database.

A request of a key without limits costs nothing here. A key's first request reads what it used before; from then on
this process writes its own figures and reads those of the others every `poll_s`, off the event loop.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
import secrets
from collections import defaultdict
from collections.abc import Sequence

from seekloop.artifact.usage import Usage, UsageTable
from seekloop.serve.access.account import SECOND, Account, Refusal, Window
from seekloop.serve.access.options import AccessOptions
from seekloop.serve.caller import Caller
from seekloop.serve.limits import MICRO
from seekloop.system.clock import Clock
from seekloop.system.errors import UsageError

__all__ = ["Budgets", "Charge"]

_idle_s = 60.0
_beats = 5
"""What is held is written again after so many polls, so that others know that it still is."""
_fresh_ns = 10 * SECOND
"""A process that has written nothing for so long holds nothing any more."""


class Charge:
    """What one request holds of a budget, until it is settled. Settling again does nothing.

    Args:
        budgets: whose.
        caller: who pays; None: nobody.
        day: when it was accepted.
        held: most that it may use: tokens, money in millionths.
    """

    def __init__(
        self, budgets: Budgets, caller: Caller | None, *, day: str = "", held: tuple[int, int] = (0, 0)
    ) -> None:
        self._budgets = budgets
        self._caller = caller
        self._day = day
        self._held = held

    def settle(self, prompt_tokens: int = 0, completion_tokens: int = 0, *, cached_tokens: int = 0) -> None:
        """Pay for what was really read and said; for nothing where there was no answer.

        Args:
            prompt_tokens: of the prompt, all.
            completion_tokens: of the answer.
            cached_tokens: of the prompt's, those that had been read before.
        """
        caller, self._caller = self._caller, None
        if caller is not None:
            cost = self._budgets.price(prompt_tokens, completion_tokens, cached_tokens=cached_tokens)
            self._budgets.settle(caller, self._day, held=self._held, used=(prompt_tokens + completion_tokens, cost))


class Budgets:
    """What every key may still use.

    Args:
        table: shared by all gateway processes.
        options: prices, and how often the table is read.
        clock: tells days and rates.
    """

    def __init__(self, table: UsageTable, *, options: AccessOptions, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._poll_s = options.poll_s
        self._prices = round(options.prompt_price * MICRO), round(options.completion_price * MICRO)
        cached = options.prompt_price if options.cached_prompt_price is None else options.cached_prompt_price
        self._cached_price = round(cached * MICRO)
        self._process = secrets.token_hex(8)
        self._accounts: dict[str, Account] = {}
        self._opening: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._changed: set[tuple[str, str]] = set()
        self._used_at: dict[str, float] = {}
        self._beat_at = 0.0
        self._tidied = ""
        self._task: asyncio.Task[None] | None = None
        self._logger = logging.getLogger("seekloop.serve")
        self.nothing = Charge(self, None)
        """Holds nothing."""

    def start(self) -> None:
        """Begin to exchange figures with other processes."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            await self._exchanged()

    def price(self, prompt_tokens: int, completion_tokens: int, *, cached_tokens: int = 0) -> int:
        """Money in millionths, rounded up: tokens times the price of 1,000 of their kind."""
        read = (prompt_tokens - cached_tokens) * self._prices[0] + cached_tokens * self._cached_price
        return -(-(read + completion_tokens * self._prices[1]) // 1000)

    async def reserve(self, caller: Caller, *, prompt_tokens: int, completion_tokens: int) -> Charge:
        """Count a request, and hold the most that it can use until its charge is settled.

        Raises:
            UsageError: the caller's rate or a budget does not allow it; nothing is counted then.
            LedgerError: what was used before cannot be read.
        """
        limits = caller.limits
        if not limits.any or not caller.key:
            return self.nothing
        account = self._accounts.get(caller.key)
        if account is None:
            account = await self._opened(caller)
        now = self._clock.now()
        held = prompt_tokens + completion_tokens, self.price(prompt_tokens, completion_tokens)
        refusal = account.take(now, tokens=held[0], cost=held[1])
        self._used_at[caller.key] = self._clock.monotonic()
        if refusal is not None:
            raise _refused(caller, refusal, now=now)
        day = now.date().isoformat()
        self._changed.add((caller.key, day))
        return Charge(self, caller, day=day, held=held)

    def settle(self, caller: Caller, day: str, *, held: tuple[int, int], used: tuple[int, int]) -> None:
        """Put what was used in place of what was held; charges do this."""
        self._accounts[caller.key].settle(day, held=held, used=used)
        self._used_at[caller.key] = self._clock.monotonic()
        self._changed.add((caller.key, day))

    async def windows(self, caller: Caller) -> list[Window]:
        """The budgets of a caller as they stand.

        Raises:
            LedgerError: what was used before cannot be read.
        """
        if not caller.limits.any or not caller.key:
            return []
        account = self._accounts.get(caller.key) or await self._opened(caller)
        return account.windows(self._clock.now())

    def headers(self, caller: Caller) -> list[tuple[bytes, bytes]]:
        """OpenAI's `x-ratelimit-*` headers: the rate, and the token budget that has least left."""
        account = self._accounts.get(caller.key)
        if account is None:
            return []
        now = self._clock.now()
        found: list[tuple[str, int, int, float]] = []
        if account.bucket is not None:
            moment = round(now.timestamp() * SECOND)
            full = max(0, account.bucket.tat - moment) / SECOND
            found.append(("requests", account.bucket.size, account.bucket.left(moment), full))
        tokens = [window for window in account.windows(now) if window.name.startswith("tokens")]
        if tokens:
            least = min(tokens, key=_left)
            found.append(("tokens", least.limit, least.left, least.reset_s))
        return [
            (f"x-ratelimit-{what}-{name}".encode(), str(value).encode())
            for name, limit, left, reset in found
            for what, value in (("limit", limit), ("remaining", left), ("reset", _duration(reset)))
        ]

    async def _opened(self, caller: Caller) -> Account:
        """The account of a key, with what it used before in it."""
        async with self._opening[caller.key]:
            account = self._accounts.get(caller.key)
            if account is not None:
                return account
            rows = await asyncio.to_thread(self._table.of, [caller.key], since=self._month())
            account = Account(caller.limits)
            account.restore(rows, process=self._process, fresh=self._fresh())
            self._accounts[caller.key] = account
            self._used_at[caller.key] = self._clock.monotonic()
            return account

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self._exchanged()

    async def _exchanged(self) -> None:
        """Exchange figures; a ledger that cannot be reached is tried again next time."""
        if not self._accounts:
            return
        changed, self._changed = self._changed, set()
        try:
            (error,) = await asyncio.gather(self._exchange(changed), return_exceptions=True)
        except asyncio.CancelledError:
            self._changed |= changed
            raise
        if error is not None:
            self._changed |= changed
            self._logger.error("budgets could not be exchanged with other processes", exc_info=error)

    async def _exchange(self, changed: set[tuple[str, str]]) -> None:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if monotonic - self._beat_at > _beats * self._poll_s:
            self._beat_at = monotonic
            changed |= {(key, day) for key, account in self._accounts.items() for day in account.holding}
        rows = [self._accounts[key].row(day, key=key, process=self._process, now=now) for key, day in sorted(changed)]
        keys = list(self._accounts)
        found = await asyncio.to_thread(self._put_and_read, rows, keys)
        by_key: dict[str, list[Usage]] = defaultdict(list)
        for row in found:
            by_key[row.key].append(row)
        for key in keys:
            self._accounts[key].merge(by_key[key], process=self._process, now=now, fresh=self._fresh())
        self._forget_idle(monotonic)

    def _put_and_read(self, rows: Sequence[Usage], keys: Sequence[str]) -> list[Usage]:
        if rows:
            self._table.put(rows)
        month = self._month()
        if rows and self._tidied != month:
            self._table.forget(before=(dt.date.fromisoformat(month) - dt.timedelta(days=1)).replace(day=1).isoformat())
            self._tidied = month
        return self._table.of(keys, since=self._month())

    def _forget_idle(self, now: float) -> None:
        """Close accounts that nobody has used for a while; their figures are in the table."""
        waiting = {key for key, _ in self._changed}
        for key in [key for key, used_at in self._used_at.items() if now - used_at > _idle_s]:
            if key not in waiting and not self._accounts[key].holding:
                del self._accounts[key], self._used_at[key], self._opening[key]

    def _month(self) -> str:
        return self._clock.now().date().replace(day=1).isoformat()

    def _fresh(self) -> int:
        return round(self._clock.now().timestamp() * SECOND) - _fresh_ns


def _left(window: Window) -> int:
    return window.left


def _refused(caller: Caller, refusal: Refusal, *, now: dt.datetime) -> UsageError:
    retry_s = max(1, math.ceil(refusal.retry_s))
    if refusal.what == "rate":
        words = caller.limits.words[0]
        return UsageError("access.rate", name=caller.name, limit=words, retry_s=retry_s)
    unit = 1 if refusal.what.startswith("tokens") else MICRO
    facts = {
        "name": caller.name,
        "limit": f"{refusal.limit / unit:g}" if unit > 1 else str(refusal.limit),
        "left": f"{refusal.left / unit:g}" if unit > 1 else str(refusal.left),
        "need": f"{refusal.need / unit:g}" if unit > 1 else str(refusal.need),
        "window": refusal.what.partition("_")[2],
        "reset": (now + dt.timedelta(seconds=refusal.retry_s)).strftime("%Y-%m-%d %H:%M UTC"),
        "retry_s": retry_s,
    }
    return UsageError("access.tokens_spent" if unit == 1 else "access.cost_spent", **facts)


def _duration(seconds: float) -> str:
    """A time as OpenAI writes it: 120ms, 1.5s, 6m0s, 1h2m3s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
