"""Kept answers in a cache file, looked at and dropped from outside of the gateway, which may be running or not."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from seekloop.artifact.database import blocks

__all__ = ["drop_kept", "kept_of"]

_patience_s = 30.0


def kept_of(path: Path, answers: Collection[str]) -> int:
    """How many copies of answers a cache file has; 0 where there is no file.

    Raises:
        sqlite3.Error: it is no cache file, or is locked for too long.
    """
    with _opened(path) as database:
        if database is None:
            return 0
        return sum(
            _asked(database, "SELECT count(*)", answers=block).fetchone()[0] for block in blocks(sorted(answers))
        )


def drop_kept(path: Path, answers: Collection[str]) -> int:
    """Remove every copy of answers from a cache file, on the disk as well; returns how many there were.

    Raises:
        sqlite3.Error: it is no cache file, or is locked for too long.
    """
    with _opened(path) as database:
        if database is None:
            return 0
        with database:
            count = sum(_asked(database, "DELETE", answers=block).rowcount for block in blocks(sorted(answers)))
        if count:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return count


def _asked(database: sqlite3.Connection, verb: str, *, answers: Collection[str]) -> sqlite3.Cursor:
    places = ", ".join("?" * len(answers))
    return database.execute(f"{verb} FROM kept WHERE answer IN ({places})", list(answers))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    if not path.is_file():
        yield None
        return
    with contextlib.closing(sqlite3.connect(path, timeout=_patience_s)) as database:
        database.execute("PRAGMA secure_delete = ON")
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'kept'").fetchone() is None:
            yield None
            return
        yield database
