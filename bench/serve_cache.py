"""The response cache: what a look costs in memory, and how often nearly the same words had another answer.

Banking77's training questions (10,003, real customers') are what was asked before, its test questions (3,080) what is
asked now. A hit is wrong where the two have different intents; intents are the coarsest difference that an answer can
have, so this is a lower bound of the wrong answers.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from bench.foundation import scratch
from bench.harness import Record, median_of, wilson
from seekloop.artifact.ledger import Ledger
from seekloop.runtime.generate.backend import Prompt
from seekloop.serve.cache.answers import Asked, ResponseCache
from seekloop.serve.cache.kept import Kept
from seekloop.serve.cache.options import CacheOptions, SemanticOptions
from seekloop.serve.cache.semantic import Questions
from seekloop.serve.cache.vectors import HashedPieces
from seekloop.serve.caller import Caller
from seekloop.serve.reply import Order
from seekloop.system.clock import SystemClock

__all__ = ["Met", "measures", "meetings"]

THRESHOLD, UNGUARDED = 0.85, 0.9
PROMPT_TOKENS, LOOKS, RUNS = 200, 2_000, 9
DATA = "banking77: 10,003 training questions kept, 3,080 test questions asked"
_question = tuple[str, str]


@dataclass(frozen=True)
class Met:
    """What became of the questions asked."""

    asked: int
    hits: int
    wrong: int
    """Hits whose question is of another intent."""


def measures(data: Path) -> list[Callable[[], Sequence[Record]]]:
    """The figures of the cache, from the folder of the public sets."""
    return [lambda: hit_cost(data), lambda: wrong_hits(data / "banking77")]


def meetings(
    known: Sequence[_question], asked: Sequence[_question], *, options: SemanticOptions, guarded: bool = True
) -> Met:
    """How many of `asked` meet one of `known`, and one of another intent.

    Args:
        known: (text, intent), of which all are remembered.
        asked: (text, intent).
        options: threshold and words.
        guarded: whether words, numbers and negations count; else vectors alone.
    """
    agrees = None if guarded else (lambda _one, _other: True)
    table = Questions(options, embedder=HashedPieces(), agrees=agrees)
    for number, (text, _) in enumerate(known):
        table.add(str(number), text, scope="one")
    hits = wrong = 0
    for text, intent in asked:
        near = table.nearest(text, scope="one")
        hits += near is not None
        wrong += near is not None and known[int(near.key)][1] != intent
    return Met(len(asked), hits, wrong)


def wrong_hits(folder: Path) -> Sequence[Record]:
    """Shares of hits, and of wrong ones among them, with our rules and by vectors alone."""
    with gzip.open(folder / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        known = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    with (folder / "test.csv").open(encoding="utf-8", newline="") as file:
        asked = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    ours = meetings(known, asked, options=SemanticOptions(threshold=THRESHOLD, entries=len(known)))
    bare = SemanticOptions(threshold=UNGUARDED, entries=len(known))
    alone = meetings(known, asked, options=bare, guarded=False)
    return [
        _share("semantic_hit_share", ours.hits, ours.asked, better="higher"),
        _share("semantic_wrong_share", ours.wrong, ours.hits, better="lower"),
        _share("semantic_unguarded_hit_share", alone.hits, alone.asked, better="higher"),
        _share("semantic_unguarded_wrong_share", alone.wrong, alone.hits, better="lower"),
    ]


def hit_cost(_: Path) -> Sequence[Record]:
    """Median microseconds of a look that finds an answer in memory, key included."""
    with scratch() as folder:
        value, interval = median_of(lambda: asyncio.run(_look_us(folder)), runs=RUNS)
    return [Record(name="cache_hit_us", value=value, unit="us", better="lower", ci=interval, n=RUNS * LOOKS)]


async def _look_us(folder: Path) -> float:
    ledger = Ledger.in_folder(folder)
    cache = ResponseCache(
        CacheOptions(backend="memory", erasure_s=0.01), ledger=ledger, current=lambda: {"r"}, clock=SystemClock()
    )
    cache.start()
    prompt = Prompt(ids=tuple(range(PROMPT_TOKENS)), stop_ids=frozenset({2}))
    order = Order(caller=Caller(name="a"), messages=[], prompt=prompt, stops=(), stream=False, asked_at=0.0)
    asked = Asked(order=order, tenant="local", release="r", messages=(), repeatable=True)
    while cache.blind:
        await asyncio.sleep(0.005)
    (await cache.look(asked)).over(_kept())
    await asyncio.sleep(0.005)
    times = []
    for _ in range(LOOKS):
        begun = time.perf_counter()
        found = await cache.look(asked)
        times.append(time.perf_counter() - begun)
        if found.outcome != "hit":
            raise RuntimeError(found.outcome)
    await cache.close()
    ledger.close()
    return 1e6 * float(np.median(times))


def _kept() -> Kept:
    text = "It is on its way. " * 20
    return Kept(
        answer="ans_1",
        tenant="local",
        release="r",
        ids=tuple(range(100)),
        content=text,
        reasoning="",
        tool_calls=(),
        finish_reason="stop",
        written=text,
        prompt_tokens=PROMPT_TOKENS,
        completion_tokens=100,
        at=time.time(),
    )


def _share(name: str, count: int, of: int, *, better: Literal["higher", "lower"]) -> Record:
    n = max(of, 1)
    return Record(name=name, value=count / n, unit="share", better=better, n=n, ci=wilson(count, n), data=DATA)
