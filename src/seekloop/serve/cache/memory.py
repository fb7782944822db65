"""Kept answers in this process: least recently used leave first, those of releases that no longer serve before."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection

from seekloop.serve.cache.kept import Kept, dumped
from seekloop.system.clock import Clock

__all__ = ["MemoryShelf"]

_around = 1_000
"""Bytes of an entry beside its text: objects, key, places in tables."""


class MemoryShelf:
    """A shelf bounded by bytes and age.

    Args:
        max_bytes: what all entries may take, by estimate.
        ttl_s: how long each is kept.
        current: ids of the releases that are served now.
        clock: measures the age.
    """

    shared = False

    def __init__(self, *, max_bytes: int, ttl_s: float, current: Callable[[], Collection[str]], clock: Clock) -> None:
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._current = current
        self._clock = clock
        self._entries: OrderedDict[str, tuple[Kept, float, int]] = OrderedDict()
        self._by_release: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._by_answer: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._bytes = 0

    async def get(self, key: str) -> Kept | None:
        """The answer under `key`."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        kept, until, _ = entry
        if self._clock.monotonic() >= until:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return kept

    async def put(self, key: str, kept: Kept) -> None:
        """Keep an answer; one that would not fit alone is not kept."""
        size = _around + 2 * len(dumped(kept)) + 36 * len(kept.ids)
        if size > self._max_bytes:
            return
        if key in self._entries:
            self._remove(key)
        self._entries[key] = kept, self._clock.monotonic() + self._ttl_s, size
        self._by_release[kept.release][key] = None
        self._by_answer[kept.answer][key] = None
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._remove(self._last())

    async def drop(self, answer: str) -> None:
        """Forget every copy of the answer with this id."""
        for key in list(self._by_answer.get(answer, ())):
            self._remove(key)

    async def clear(self) -> None:
        """Forget everything."""
        for key in list(self._entries):
            self._remove(key)

    async def close(self) -> None:
        """Nothing to let go of."""

    def size(self) -> tuple[int, int]:
        """Entries and bytes."""
        return len(self._entries), self._bytes

    def _last(self) -> str:
        """Who leaves next."""
        current = self._current()
        old = next((keys for release, keys in self._by_release.items() if release not in current), None)
        return next(iter(self._entries if old is None else old))

    def _remove(self, key: str) -> None:
        kept, _, size = self._entries.pop(key)
        self._bytes -= size
        for table, name in ((self._by_release, kept.release), (self._by_answer, kept.answer)):
            del table[name][key]
            if not table[name]:
                del table[name]
