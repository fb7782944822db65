"""Ten times more than can be answered, open loop: who is answered, how late, and what the others are told.

Requests come at random moments of a Poisson process, whether or not earlier ones were answered, and a latency counts
from the moment at which the request was due. The high tier comes at an eighth of what the engine can answer, and is
measured alone first. The engine is the echo with a pace: eight streams, eight tokens an answer, 40 ms a token.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from bench.foundation import scratch
from bench.harness import Record
from bench.serve_site import echo_model, site
from seekloop.artifact.context import RunContext

__all__ = ["Call", "Load", "figures", "measures", "offered", "planned", "question"]

SEED = 7
STREAMS, PACE_S, TOKENS = 8, 0.04, 8
SECONDS, TIMES, HIGH_SHARE = 70.0, 10.0, 0.125
LIVEZ_EVERY_S, LIMIT_S = 0.1, 60.0
TOLD = (200, 429, 503)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What comes: requests a second of each tier, for how long, asking what."""

    high_per_s: float
    low_per_s: float
    seconds: float
    max_tokens: int


@dataclass(frozen=True)
class Call:
    """One request and what became of it."""

    who: str
    status: int
    """0: the connection broke."""
    seconds: float
    """From when it was due."""
    retry_after: str | None


def planned(load: Load, *, seed: int = SEED) -> list[tuple[float, str]]:
    """(due in seconds from the start, who) of each request, in order."""
    chance, plan = random.Random(seed), []
    for who, rate in (("high", load.high_per_s), ("low", load.low_per_s), ("livez", 1 / LIVEZ_EVERY_S)):
        at = chance.expovariate(rate) if rate else load.seconds
        while at < load.seconds:
            plan.append((at, who))
            at += chance.expovariate(rate)
    return sorted(plan)


async def offered(url: str, load: Load) -> list[Call]:
    """Send the load, on time whatever happens; `/livez` is asked ten times a second beside it.

    Nothing is collected meanwhile: whoever is due while the sender looks through its own memory would be sent late.
    """
    gc.disable()
    try:
        return await _sent(url, load)
    finally:
        gc.enable()


async def _sent(url: str, load: Load) -> list[Call]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=256)
    async with httpx2.AsyncClient(base_url=url, timeout=LIMIT_S, limits=limits) as client:
        start, calls = time.monotonic(), []
        for at, who in planned(load):
            await asyncio.sleep(max(0.0, start + at - time.monotonic()))
            calls.append(asyncio.create_task(_call(client, who, due=start + at, max_tokens=load.max_tokens)))
        return await asyncio.gather(*calls)


def question(max_tokens: int) -> dict[str, Any]:
    """The body of every request."""
    messages = [{"role": "user", "content": "How long does a transfer take?"}]
    return {"model": "production", "messages": messages, "max_tokens": max_tokens}


async def _call(client: httpx2.AsyncClient, who: str, *, due: float, max_tokens: int) -> Call:
    try:
        if who == "livez":
            response = await client.get("/livez")
        else:
            headers = {"Authorization": f"Bearer {who}"}
            response = await client.post("/v1/chat/completions", json=question(max_tokens), headers=headers)
    except httpx2.HTTPError:
        return Call(who, 0, time.monotonic() - due, None)
    return Call(who, response.status_code, time.monotonic() - due, response.headers.get("retry-after"))


def figures(alone: Sequence[Call], loaded: Sequence[Call], *, prefix: str, **facts: Any) -> list[Record]:
    """What was answered under load, beside the high tier alone; `facts` are further fields of the records."""
    asked = [call for call in loaded if call.who != "livez"]
    high = [call for call in asked if call.who == "high"]
    refused = [call for call in asked if call.status in (429, 503)]
    livez = [call.seconds for call in loaded if call.who == "livez"]
    others = sum(call.status not in TOLD for call in asked) + sum(c.status != 200 for c in loaded if c.who == "livez")
    silent = sum(call.retry_after is None for call in refused)
    before, under = _seconds(alone), _seconds(high)
    print(f"{prefix}: {dict(Counter((call.who, call.status) for call in loaded))}", flush=True)
    print(f"{prefix}: high tier p50 and p99, s: alone {_both(before)}, loaded {_both(under)}", flush=True)
    ratio = float(np.quantile(under, 0.99) / np.quantile(before, 0.99))
    answered = sum(call.status == 200 for call in high) / len(high)
    count: dict[str, Any] = {"unit": "answers", "better": "lower", **facts}
    return [
        Record(name=f"{prefix}_other_status", value=others, n=len(loaded), **count),
        Record(name=f"{prefix}_no_retry_after", value=silent, n=max(1, len(refused)), **count),
        Record(
            name=f"{prefix}_high_p99_ratio",
            value=ratio,
            unit="x alone",
            better="lower",
            n=len(under),
            ci=_interval(before, under, value=ratio),
            **facts,
        ),
        Record(name=f"{prefix}_high_answered", value=answered, unit="share", better="higher", n=len(high), **facts),
        Record(
            name=f"{prefix}_livez_p95_s",
            value=float(np.quantile(livez, 0.95)),
            unit="s",
            better="lower",
            n=len(livez),
            **facts,
        ),
    ]


def _seconds(calls: Sequence[Call]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of the high tier's answers."""
    return np.array([call.seconds for call in calls if call.who == "high" and call.status == 200])


def _both(seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return " and ".join(f"{value:.3f}" for value in np.quantile(seconds, [0.5, 0.99]))


def _interval(
    before: np.ndarray[tuple[int], np.dtype[np.float64]],
    under: np.ndarray[tuple[int], np.dtype[np.float64]],
    *,
    value: float,
) -> tuple[float, float]:
    """95 % percentile bootstrap of the ratio of the two 99 % points, both samples drawn anew."""
    chance = np.random.default_rng(SEED)
    draws = [
        np.quantile(chance.choice(under, len(under)), 0.99) / np.quantile(chance.choice(before, len(before)), 0.99)
        for _ in range(2_000)
    ]
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return min(low, value), max(high, value)


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure: the load alone and the overload are of one gateway."""
    del data
    return [_echo]


def _echo(seconds: float = SECONDS) -> Sequence[Record]:
    capacity = STREAMS / (PACE_S * TOKENS)
    high = Load(high_per_s=HIGH_SHARE * capacity, low_per_s=0.0, seconds=seconds, max_tokens=TOKENS)
    much = Load(
        high_per_s=high.high_per_s, low_per_s=(TIMES - HIGH_SHARE) * capacity, seconds=seconds, max_tokens=TOKENS
    )
    with scratch() as folder:
        with RunContext.in_folder(folder) as ctx:
            echo_model(ctx)
        with site(folder, pace_s=PACE_S, streams=STREAMS) as gateway:
            alone = asyncio.run(offered(gateway.url, high))
            loaded = asyncio.run(offered(gateway.url, much))
    told = (
        f"open loop, {capacity:.0f} answers/s possible, {high.high_per_s:.1f}/s of the high tier, {TIMES:.0f}x in all"
    )
    return figures(alone, loaded, prefix="overload", model="echo, 40 ms a token", data=told, seed=SEED)
