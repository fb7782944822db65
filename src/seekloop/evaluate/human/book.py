"""The book of ratings: one SQLite file that is only added to, each entry on the disk before the rater hears of it.

Taking something back is an entry, too. What a rater says of a task is their last entry about it that was not undone.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Self

from seekloop.evaluate.human.spec import Dimension
from seekloop.evaluate.human.tasks import Task
from seekloop.system.files import disk_full_is_a_sentence

__all__ = ["Book", "Rating", "Winner", "is_whole"]

Winner = Literal["subject", "tie", "baseline"]
_busy_s = 30.0
_tables = """
CREATE TABLE IF NOT EXISTS entry (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, rater TEXT NOT NULL, task TEXT NOT NULL, said TEXT NOT NULL, undoes INTEGER
);
CREATE INDEX IF NOT EXISTS entry_rater ON entry (rater, seq);
"""
_standing = "undoes IS NULL AND seq NOT IN (SELECT undoes FROM entry WHERE undoes IS NOT NULL)"


@dataclass(frozen=True, kw_only=True)
class Rating:
    """What one rater says of one task."""

    rater: str
    task: str
    values: Mapping[str, int] = field(default_factory=dict)
    """0 to 5 by dimension; some may be missing yet."""
    winner: Winner | None = None
    """Of two answers: the better one."""
    first: Literal["subject", "baseline"] | None = None
    """Of two answers: the one that was shown first."""
    comment: str = ""
    skipped: bool = False
    """The rater would not judge it."""
    seconds: float | None = None
    """How long the rater had it before them."""
    at: str = ""
    """ISO 8601."""


def is_whole(rating: Rating | None, task: Task, *, dimensions: Iterable[Dimension]) -> bool:
    """Whether nothing of the task is left to say."""
    if rating is None:
        return False
    if rating.skipped:
        return True
    if task.kind == "prefer":
        return rating.winner is not None
    return all(one.name in rating.values for one in dimensions)


class Book:
    """The ratings of one study. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=_busy_s, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_tables)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, *ratings: Rating) -> None:
        """Add ratings, all or none; they are on the disk when this returns.

        Raises:
            ArtifactError: the disk is full.
        """
        rows = [(one.rater, one.task, json.dumps(asdict(one), ensure_ascii=False, sort_keys=True)) for one in ratings]
        with self._lock, disk_full_is_a_sentence(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT INTO entry (rater, task, said) VALUES (?, ?, ?)", rows)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def undo(self, rater: str) -> str | None:
        """Take back the rater's last entry; the task that it was about, None where there is nothing to take back."""
        find = f"SELECT seq, task FROM entry WHERE rater = ? AND {_standing} ORDER BY seq DESC LIMIT 1"
        with self._lock, disk_full_is_a_sentence(self._path):
            found = self._connection.execute(find, (rater,)).fetchone()
            if found is None:
                return None
            row = (rater, found[1], "{}", found[0])
            self._connection.execute("INSERT INTO entry (rater, task, said, undoes) VALUES (?, ?, ?, ?)", row)
        return str(found[1])

    def of(self, rater: str) -> dict[str, Rating]:
        """What stands of one rater, by task."""
        return {one.task: one for one in self._read("AND rater = ?", rater)}

    def all(self) -> list[Rating]:
        """What stands, by rater and task."""
        last = {(one.rater, one.task): one for one in self._read("")}
        return [last[key] for key in sorted(last)]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read(self, where: str, *values: str) -> list[Rating]:
        with self._lock:
            query = f"SELECT said FROM entry WHERE {_standing} {where} ORDER BY seq"
            rows = self._connection.execute(query, values).fetchall()
        return [Rating(**json.loads(said)) for (said,) in rows]
