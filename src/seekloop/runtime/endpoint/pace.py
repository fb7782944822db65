"""Requests and tokens a minute: who would go over the limit waits, and a pause that is asked for is for all."""

from __future__ import annotations

import asyncio

from seekloop.system.clock import Clock

__all__ = ["Pace"]

_minute = 60.0


class Pace:
    """Token buckets, each full at first with a tenth of a minute's allowance, so that no minute sees twice its share.

    Args:
        requests: a minute; None: no limit.
        tokens: a minute; None: no limit.
        clock: measures the time.
    """

    def __init__(self, *, requests: float | None, tokens: float | None, clock: Clock) -> None:
        self._rates = (requests, tokens)
        self._clock = clock
        self._levels = [max(1.0, (rate or 0.0) / 10) for rate in self._rates]
        self._seen = clock.monotonic()
        self._pause_until = 0.0
        self._turn = asyncio.Lock()

    async def wait(self, *, tokens: int) -> None:
        """Wait until one more request of about so many tokens may be sent."""
        async with self._turn:
            while (delay := self.delay()) > 0:
                await asyncio.sleep(delay)
            self._take(1.0, float(tokens))

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._pause_until = max(self._pause_until, self._clock.monotonic() + seconds)

    def correct(self, tokens: int) -> None:
        """Take so many tokens more (or give them back, if negative): a request was larger than thought."""
        self._take(0.0, float(tokens))

    def delay(self) -> float:
        """Seconds until the next request may be sent; 0: now."""
        now = self._clock.monotonic()
        self._refill(now)
        waits = [self._pause_until - now]
        for level, rate in zip(self._levels, self._rates, strict=True):
            if rate is not None and level < 1.0:
                waits.append((1.0 - level) * _minute / rate)
        return max(0.0, *waits)

    def _refill(self, now: float) -> None:
        passed, self._seen = now - self._seen, now
        for index, rate in enumerate(self._rates):
            if rate is not None:
                most = max(1.0, rate / 10)
                self._levels[index] = min(most, self._levels[index] + passed * rate / _minute)

    def _take(self, requests: float, tokens: float) -> None:
        self._levels[0] -= requests
        self._levels[1] -= tokens
