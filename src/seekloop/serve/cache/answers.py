"""The response cache: one look per request, one answer for equal requests at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.artifact.ledger import Ledger
from seekloop.serve.cache.breaker import Breaker
from seekloop.serve.cache.erasures import Erasures
from seekloop.serve.cache.guarded import Guarded
from seekloop.serve.cache.kept import Kept
from seekloop.serve.cache.key import key_of, scope_of
from seekloop.serve.cache.look import Look, Use
from seekloop.serve.cache.memory import MemoryShelf
from seekloop.serve.cache.options import CacheOptions
from seekloop.serve.cache.redis import RedisShelf
from seekloop.serve.cache.semantic import Near, Questions
from seekloop.serve.cache.shelf import Shelf
from seekloop.serve.cache.sqlite import SqliteShelf
from seekloop.serve.cache.vectors import HashedPieces
from seekloop.system.clock import Clock
from seekloop.system.errors import UsageError

__all__ = ["Asked", "ResponseCache"]

_aside = frozenset(
    {"blur", "caller", "messages", "stream", "asked_at", "tools", "repeatable", "screening", "stop_ids", "user"}
)
"""Of an order: who asks and how it is sent; messages and tools are in the prompt's ids, stop ids in the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, as the cache sees it."""

    order: object
    """A dataclass with all that the answer depends on."""
    tenant: str
    release: str
    messages: Sequence[Mapping[str, Any]]
    """The conversation, for finding a question in other words; empty: only equal ones meet."""
    tools: Sequence[Mapping[str, Any]] = ()
    repeatable: bool
    """The same request would be answered the same again."""
    use: Use = "full"
    also: tuple[str, ...] = ()
    """What else the answer depends on, such as the digest of rules that it was held to."""
    tier: int = 0
    """Nobody waits for an answer that is made in a later tier than their own; 0 is the first."""


class ResponseCache:
    """Answers by everything that they depend on, never across tenants or releases.

    Args:
        options: where, how many, how long.
        ledger: whose erasures are followed.
        current: ids of the releases that are served now.
        clock: measures ages.

    Raises:
        MissingPackage: the backend's package is not installed.
        UsageError: a secret of the server's address is missing, or there is no place for the file.
    """

    def __init__(
        self, options: CacheOptions, *, ledger: Ledger, current: Callable[[], Collection[str]], clock: Clock
    ) -> None:
        self.counts: Counter[str] = Counter()
        """Looks by outcome."""
        self._shelf = _shelf(options, current=current, clock=clock)
        self._erasures = Erasures(
            ledger, forget=self._forget, every_s=options.erasure_s, ttl_s=options.ttl_s, clock=clock
        )
        self._ttl_s, self._clock = options.ttl_s, clock
        self._flights: dict[tuple[str, int], asyncio.Future[Kept | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        near = options.semantic
        self._questions = Questions(near, embedder=HashedPieces()) if near.threshold is not None else None

    @property
    def on(self) -> bool:
        """Whether answers are kept at all."""
        return self._shelf is not None

    @property
    def blind(self) -> bool:
        """Whether it is on, but does not know what was erased, so that it answers nothing."""
        return self.on and not self._erasures.known

    @property
    def failures(self) -> int:
        """Times that the shelf could not be asked."""
        return self._shelf.failures if isinstance(self._shelf, Guarded) else 0

    def size(self) -> tuple[int, int]:
        """Entries and bytes, as far as this process knows them."""
        return (0, 0) if self._shelf is None else self._shelf.size()

    def start(self) -> None:
        """Begin to follow erasures; nothing is answered before they are known."""
        if self._shelf is not None:
            self._erasures.start()

    async def close(self) -> None:
        """Keep what is on its way, and let go of files and connections."""
        if self._shelf is None:
            return
        await self._erasures.close()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._shelf.close()

    async def forget(self, answer: str) -> None:
        """Drop every copy of an answer that was erased, and take none again."""
        await self._erasures.note(answer)

    async def look(self, asked: Asked) -> Look:
        """What is there for a request; where an equal one is being answered now, its answer.

        The caller says `over` of what comes back, whatever happens: equal requests wait for it.
        """
        look = await self._look(asked)
        self.counts[look.outcome] += 1
        return look

    async def _look(self, asked: Asked) -> Look:
        if self._shelf is None:
            return Look("off")
        if not asked.repeatable or asked.use == "none":
            return Look("bypass")
        key = key_of(asked.order, tenant=asked.tenant, release=asked.release, aside=_aside, also=asked.also)
        if asked.use == "full" and (found := await self._found(asked, key)) is not None:
            return found
        flight = None
        if (key, asked.tier) not in self._flights:
            flight = self._flights[key, asked.tier] = asyncio.get_running_loop().create_future()
        return Look("miss", over=lambda kept: self._over(asked, kept, key=key, flight=flight))

    async def _found(self, asked: Asked, key: str) -> Look | None:
        """A kept answer, or that of an equal request; None: nobody has it, and nobody is about to."""
        while True:
            kept = await self._fetch(asked, key)
            if kept is not None:
                return Look("hit", kept=kept)
            flight = self._flight(asked, key)
            if flight is None:
                near = self._near(asked)
                kept = None if near is None else await self._fetch(asked, near.key)
                if near is not None and kept is not None:
                    return Look("similar", kept=kept, similarity=near.similarity)
                flight = self._flight(asked, key)
            if flight is None:
                return None
            # Shielded: who gives up waiting must not take the others' answer away.
            kept = await asyncio.shield(flight)
            if kept is not None and self._may_have(asked, kept):
                return Look("joined", kept=kept)

    def _flight(self, asked: Asked, key: str) -> asyncio.Future[Kept | None] | None:
        """An equal request that is being answered no later than this one would be."""
        flights = (self._flights.get((key, tier)) for tier in range(asked.tier + 1))
        return next((flight for flight in flights if flight is not None), None)

    async def _fetch(self, asked: Asked, key: str) -> Kept | None:
        if self._shelf is None or not self._erasures.known:
            return None
        kept = await self._shelf.get(key)
        if kept is None or self._clock.now().timestamp() - kept.at > self._ttl_s:
            return None
        return kept if self._may_have(asked, kept) else None

    def _may_have(self, asked: Asked, kept: Kept) -> bool:
        # The key says whose it is already; a file that was tampered with does not, nor does another release that had
        # to answer in this one's place.
        own = (kept.tenant, kept.release) == (asked.tenant, asked.release)
        return own and not self._erasures.took(kept)

    def _near(self, asked: Asked) -> Near | None:
        question = self._question(asked)
        return (
            None
            if question is None or self._questions is None
            else self._questions.nearest(question[0], scope=question[1])
        )

    def _question(self, asked: Asked) -> tuple[str, str] | None:
        """The last user turn and its scope; None where only equal requests meet."""
        if self._questions is None or not asked.messages or asked.messages[-1].get("role") != "user":
            return None
        *before, last = asked.messages
        scope = scope_of(
            asked.order,
            tenant=asked.tenant,
            release=asked.release,
            aside=_aside,
            also=asked.also,
            before=[before, asked.tools],
        )
        return str(last["content"]), scope

    def _over(self, asked: Asked, kept: Kept | None, *, key: str, flight: asyncio.Future[Kept | None] | None) -> None:
        if flight is not None:
            del self._flights[key, asked.tier]
            if not flight.done():
                flight.set_result(kept)
        if kept is None or self._shelf is None or not self._may_have(asked, kept):
            return
        question = self._question(asked)
        if question is not None and self._questions is not None:
            self._questions.add(key, question[0], scope=question[1])
        self._spawn(self._shelf.put(key, kept))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forget(self, answer: str | None) -> None:
        if self._shelf is None:
            return
        if answer is None:
            await self._shelf.clear()
        else:
            await self._shelf.drop(answer)


def _shelf(options: CacheOptions, *, current: Callable[[], Collection[str]], clock: Clock) -> Shelf | None:
    """The shelf that the dials name; None: off."""
    if options.backend == "off":
        return None
    most, ttl_s = options.max_mib * 2**20, options.ttl_s
    if options.backend == "memory":
        return MemoryShelf(max_bytes=most, ttl_s=ttl_s, current=current, clock=clock)
    outside: Shelf
    if options.backend == "sqlite":
        outside = SqliteShelf(_file(options.path), max_bytes=most, ttl_s=ttl_s, current=current, clock=clock)
    else:
        outside = RedisShelf(options.url, ttl_s=ttl_s, timeout_s=options.timeout_ms / 1000)
    breaker = Breaker(pause_s=options.pause_s, clock=clock)
    return Guarded(outside, timeout_s=options.timeout_ms / 1000, breaker=breaker)


def _file(path: Path | None) -> Path:
    if path is None:
        raise UsageError("cache.no_file")
    return path
