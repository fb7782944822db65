"""What was pulled from a database or endpoint: records by key, and how far the pull has come, in one file.

Records and progress change in one transaction, so that a pull that is killed goes on where it was. Records come out in
the order of their keys, so that the bytes of a corpus do not depend on how often a pull was broken off, or begun anew.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekloop.data.read.stream import Record
from seekloop.system import digests
from seekloop.system.errors import DataError
from seekloop.system.files import disk_full_is_a_sentence, exclusive

__all__ = ["Item", "Spool", "comparable", "open_spool"]

_schema = """
CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, mark, pull INTEGER, value TEXT, raw TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (pull INTEGER, digest TEXT, PRIMARY KEY (pull, digest)) WITHOUT ROWID;
"""
_upsert = """
INSERT INTO record (key, mark, pull, value, raw) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
  pull = excluded.pull,
  value = CASE WHEN excluded.mark < record.mark THEN record.value ELSE excluded.value END,
  raw = CASE WHEN excluded.mark < record.mark THEN record.raw ELSE excluded.raw END,
  mark = CASE WHEN excluded.mark < record.mark THEN record.mark ELSE excluded.mark END
"""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One record to keep."""

    key: str
    value: dict[str, Any]
    """JSON values."""
    mark: Any = None
    """When it was changed, as the source writes it: the newer version stays; None: the one that came later."""


class Spool:
    """Records by key and the state of the pull."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def state(self) -> dict[str, Any]:
        """What was last put beside the records."""
        return {name: json.loads(value) for name, value in self._connection.execute("SELECT name, value FROM state")}

    def put(self, items: Iterable[Item], *, pull: int, state: dict[str, Any], place: object = None) -> bool:
        """Keep records and the state together, or neither.

        Args:
            items: the records.
            pull: number of the pull.
            state: all of it: names that are not given are forgotten.
            place: where the pull goes next, a JSON value; None: nowhere.

        Returns:
            Whether the pull comes to `place` for the first time; if not, nothing is kept.

        Raises:
            ArtifactError: the disk is full; what was kept before is as it was.
        """
        rows = ((item.key, comparable(item.mark), pull, _text(item.value), _text(item.mark)) for item in items)
        with self._transaction():
            visit = (pull, digests.of_json(place))
            if self._connection.execute("INSERT OR IGNORE INTO place VALUES (?, ?)", visit).rowcount == 0 and place:
                return False
            self._connection.executemany(_upsert, rows)
            self._connection.execute("DELETE FROM state")
            self._connection.executemany("INSERT INTO state VALUES (?, ?)", [(n, _text(v)) for n, v in state.items()])
            return True

    def forget(self, *, before: int) -> int:
        """Remove the records that no pull since `before` has seen; returns how many."""
        with self._transaction():
            self._connection.execute("DELETE FROM place")
            return self._connection.execute("DELETE FROM record WHERE pull < ?", (before,)).rowcount

    def newest(self) -> Any:
        """The latest mark, as the source wrote it; None where there is none."""
        found = self._connection.execute(
            "SELECT raw FROM record WHERE mark IS NOT NULL ORDER BY mark DESC, key LIMIT 1"
        ).fetchone()
        return None if found is None else json.loads(found[0])

    def count(self) -> int:
        """How many records there are."""
        return int(self._connection.execute("SELECT COUNT(*) FROM record").fetchone()[0])

    def records(self) -> Iterator[Record]:
        """All records in the order of their keys, shorter keys first, numbered from one."""
        found = self._connection.execute("SELECT value FROM record ORDER BY LENGTH(key), key")
        for number, (value,) in enumerate(found, start=1):
            yield Record(line=number, value=json.loads(value))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with disk_full_is_a_sentence(self._path):
            try:
                with self._connection:
                    yield
            except sqlite3.OperationalError as error:
                raise OSError(_errno_of(error), str(error)) from error


@contextlib.contextmanager
def open_spool(folder: Path, *, identity: object, shown: str) -> Iterator[Spool]:
    """The spool of a source, kept to this process for the block.

    Args:
        folder: where it lies.
        identity: what the source is, a JSON value: another one has another spool.
        shown: how messages name the source.

    Raises:
        DataError: another process pulls from this source into this project.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = digests.of_json(identity).removeprefix("sha256:")[:16]
    path = folder / f"pull-{name}.sqlite"
    with exclusive(path.with_suffix(".lock"), busy=DataError("data.pull_busy", where=shown)):
        connection = sqlite3.connect(path)
        try:
            path.chmod(0o600)
            connection.executescript(_schema)
            yield Spool(connection, path)
        finally:
            connection.close()


def comparable(mark: Any) -> float | str | None:
    """A mark such that later ones are greater: an ISO date as seconds since 1970, other numbers and texts as such."""
    if mark is None or isinstance(mark, int | float):
        return None if mark is None else float(mark)
    try:
        moment = dt.datetime.fromisoformat(str(mark))
    except ValueError:
        return str(mark)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False)


def _errno_of(error: sqlite3.OperationalError) -> int:
    return 28 if error.sqlite_errorcode == sqlite3.SQLITE_FULL else 5
