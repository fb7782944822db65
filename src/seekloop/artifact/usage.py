"""What API keys have used up: counters, not records.

Each gateway process overwrites rows of its own, and nobody else's. So several processes share a budget without waiting
for each other, and what is written twice counts once. The rows are unsigned; what was answered stands in the events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from seekloop.artifact import schema
from seekloop.artifact.database import Database, blocks, insert_rows

__all__ = ["Usage", "UsageTable"]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one process let one key use on one day."""

    key: str
    day: str
    """`YYYY-MM-DD`, UTC."""
    process: str
    requests: int = 0
    tokens: int = 0
    """Of finished answers, prompt and completion together."""
    cost: int = 0
    """Of finished answers, in millionths of the currency."""
    held_tokens: int = 0
    """Most that answers under way may still use."""
    held_cost: int = 0
    tat: int = 0
    """The rate's theoretical arrival time, in nanoseconds since 1970."""
    at: int = 0
    """When the row was written, in nanoseconds since 1970: what a process holds is void once it has stopped writing."""


class UsageTable:
    """Reads and overwrites the rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, rows: Sequence[Usage]) -> None:
        """Write rows, each in place of the one with its key, day and process."""
        table = schema.usage
        with self._database.write() as connection:
            for row in rows:
                same = (table.c.key == row.key) & (table.c.day == row.day) & (table.c.process == row.process)
                connection.execute(delete(table).where(same))
            insert_rows(connection, table, rows=[dataclasses.asdict(row) for row in rows])

    def of(self, keys: Iterable[str], *, since: str) -> list[Usage]:
        """The rows of `keys` from the day `since` on, of every process."""
        table = schema.usage
        found: list[Usage] = []
        with self._database.read() as connection:
            for block in blocks(keys):
                query = select(table).where(table.c.key.in_(block), table.c.day >= since)
                found += [Usage(**row._mapping) for row in connection.execute(query)]
        return found

    def forget(self, *, before: str) -> None:
        """Delete rows of the days before `before`."""
        with self._database.write() as connection:
            connection.execute(delete(schema.usage).where(schema.usage.c.day < before))
