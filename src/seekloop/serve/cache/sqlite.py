"""Kept answers in a file of their own, which gateways of one machine share and which survives them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from seekloop.serve.cache.kept import Kept, dumped, loaded
from seekloop.serve.cache.shelf import ShelfFault
from seekloop.system.clock import Clock

__all__ = ["SqliteShelf"]

T = TypeVar("T")
_schema = """
CREATE TABLE IF NOT EXISTS kept (
  key TEXT PRIMARY KEY, answer TEXT NOT NULL, release TEXT NOT NULL, body BLOB NOT NULL, until REAL NOT NULL,
  used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kept_by_answer ON kept (answer);
CREATE INDEX IF NOT EXISTS kept_by_use ON kept (release, used, key);
"""
_looks_every = 32
"""Puts between two looks at how much there is."""
_fresh_s = 60.0
"""An answer that was used so short ago is not marked as used again."""
_room = 0.9
"""Share of the bound that is left after making room."""
_leaving = 128
"""Answers that leave at a time."""


class SqliteShelf:
    """A shelf in one SQLite file, which only its owner can read; deleted answers are overwritten.

    Args:
        path: the file; made where it is not there.
        max_bytes: what all texts may take.
        ttl_s: how long each is kept.
        current: ids of the releases that are served now; answers of others leave first.
        clock: dates answers.
    """

    shared = True

    def __init__(
        self, path: Path, *, max_bytes: int, ttl_s: float, current: Callable[[], Collection[str]], clock: Clock
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._current = current
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache")
        self._database: sqlite3.Connection | None = None
        self._puts = 0
        self._size = 0, 0

    async def get(self, key: str) -> Kept | None:
        """The answer under `key`."""
        return await self._ask(lambda database: self._get(database, key))

    async def put(self, key: str, kept: Kept) -> None:
        """Keep an answer."""
        body = dumped(kept)
        if len(body) <= self._max_bytes:
            await self._ask(lambda database: self._put(database, key, kept=kept, body=body))

    async def drop(self, answer: str) -> None:
        """Forget every copy of the answer with this id, on the disk as well."""
        await self._ask(lambda database: self._drop(database, answer))

    async def clear(self) -> None:
        """Forget everything, on the disk as well."""
        await self._ask(lambda database: self._drop(database, None))

    async def close(self) -> None:
        """Let go of the file."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._database is not None:
            self._database.close()
            self._database = None

    def size(self) -> tuple[int, int]:
        """Entries and bytes at the last look."""
        return self._size

    async def _ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            raise ShelfFault(str(error)) from error

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._database is None:
            self._database = self._opened()
        with self._database:
            return work(self._database)

    def _opened(self) -> sqlite3.Connection:
        # Made before SQLite would make it readable for others; its journal takes the file's mode.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(self._path, timeout=1.0, check_same_thread=False)
        try:
            # What a crash loses is only generated again; what is erased must not be left on the disk.
            for pragma in ("journal_mode = WAL", "synchronous = OFF", "secure_delete = ON"):
                database.execute(f"PRAGMA {pragma}")
            database.executescript(_schema)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _get(self, database: sqlite3.Connection, key: str) -> Kept | None:
        row = database.execute("SELECT body, until, used FROM kept WHERE key = ?", [key]).fetchone()
        now = self._now()
        if row is None or row[1] <= now:
            return None
        if now - row[2] > _fresh_s:
            database.execute("UPDATE kept SET used = ? WHERE key = ?", [now, key])
        try:
            return loaded(row[0])
        except ValueError as error:
            raise ShelfFault(f"{self._path}: {error}") from error

    def _put(self, database: sqlite3.Connection, key: str, *, kept: Kept, body: bytes) -> None:
        now = self._now()
        values = [key, kept.answer, kept.release, body, now + self._ttl_s, now]
        database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?)", values)
        self._puts += 1
        if self._puts % _looks_every == 1 or len(body) * _looks_every > self._max_bytes:
            self._make_room(database, now=now)

    def _make_room(self, database: sqlite3.Connection, *, now: float) -> None:
        database.execute("DELETE FROM kept WHERE until <= ?", [now])
        self._look(database)
        if self._size[1] <= self._max_bytes:
            return
        current = list(self._current())
        places = ", ".join("?" * len(current))
        for which in (f"release NOT IN ({places})", f"release IN ({places})"):
            order = f"SELECT key FROM kept WHERE {which} ORDER BY used, key LIMIT {_leaving}"
            while self._size[1] > _room * self._max_bytes:
                leaving = database.execute(f"DELETE FROM kept WHERE key IN ({order})", current).rowcount
                self._look(database)
                if not leaving:
                    break

    def _look(self, database: sqlite3.Connection) -> None:
        count, total = database.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM kept").fetchone()
        self._size = count, total

    def _drop(self, database: sqlite3.Connection, answer: str | None) -> None:
        gone = database.execute("DELETE FROM kept WHERE ? IS NULL OR answer = ?", [answer, answer]).rowcount
        if gone:
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _now(self) -> float:
        return self._clock.now().timestamp()
