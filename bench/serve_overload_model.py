"""The same overload on the demo's four-bit model, where the answers of the low tier take the high one's processor.

Streams share the cores, so an answer is slower beside others even where it never waits. What the high tier loses is
bought back by leaving the low one fewer streams while the high one is about: the gateway keeps all but one for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx2

from bench.foundation import scratch
from bench.harness import Record
from bench.serve_overload import SEED, Load, figures, offered, question
from bench.serve_site import MODEL, demo_model, site
from seekloop.artifact.context import RunContext

__all__ = ["measures"]

STREAMS, RESERVED, TOKENS, SECONDS = 8, 7, 16, 120.0
TIMES, HIGH_SHARE, CLOSED_LOOP_S = 10.0, 0.125, 15.0


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """One measure."""
    del data
    return [_model]


def _model(seconds: float = SECONDS) -> Sequence[Record]:
    with scratch() as folder:
        with RunContext.in_folder(folder) as ctx:
            demo_model(ctx, max_tokens=TOKENS)
        queue = {"reserved": RESERVED}
        with site(folder, engine="llamacpp", streams=STREAMS, queue=queue) as gateway:
            capacity = asyncio.run(_capacity(gateway.url))
            high = Load(high_per_s=HIGH_SHARE * capacity, low_per_s=0.0, seconds=seconds, max_tokens=TOKENS)
            low = (TIMES - HIGH_SHARE) * capacity
            much = Load(high_per_s=high.high_per_s, low_per_s=low, seconds=seconds, max_tokens=TOKENS)
            alone = asyncio.run(offered(gateway.url, high))
            loaded = asyncio.run(offered(gateway.url, much))
    told = (
        f"open loop, {capacity:.1f} answers/s possible, {high.high_per_s:.2f}/s of the high tier, {TIMES:.0f}x in all"
    )
    return figures(alone, loaded, prefix="overload_model", model=MODEL, data=told, seed=SEED)


async def _capacity(url: str) -> float:
    """Answers a second with every stream taken by clients that ask again as soon as they are answered."""
    ended = time.monotonic() + CLOSED_LOOP_S
    async with httpx2.AsyncClient(base_url=url, timeout=60, headers={"Authorization": "Bearer low"}) as client:

        async def ask() -> int:
            answers = 0
            while time.monotonic() < ended:
                answers += (await client.post("/v1/chat/completions", json=question(TOKENS))).is_success
            return answers

        return sum(await asyncio.gather(*(ask() for _ in range(STREAMS)))) / CLOSED_LOOP_S
