"""What gateways remember of each caller's queries, shared by those over one ledger. It is no part of the record."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from seekloop.artifact import schema
from seekloop.artifact.database import Database, insert_rows

__all__ = ["Sketches"]

_table = schema.guard_sketch


class Sketches:
    """Bytes by scope, gateway and day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, owner: str, day: str, *, bodies: Mapping[str, bytes]) -> None:
        """Put a gateway's sketches of a day in the place of those that it had put there.

        Args:
            owner: the gateway.
            day: ISO 8601 date.
            bodies: scope -> sketch.

        Raises:
            LedgerError: the database cannot be written.
        """
        if not bodies:
            return
        rows = [{"scope": scope, "owner": owner, "day": day, "body": body} for scope, body in bodies.items()]
        with self._database.write() as connection:
            for scope in bodies:
                connection.execute(delete(_table).filter_by(scope=scope, owner=owner, day=day))
            insert_rows(connection, _table, rows=rows)

    def load(self, since: str) -> list[tuple[str, str, str, bytes]]:
        """(scope, owner, day, sketch) of every gateway, from a day on, in that order.

        Raises:
            LedgerError: the database cannot be read.
        """
        columns = (_table.c.scope, _table.c.owner, _table.c.day, _table.c.body)
        query = select(*columns).where(_table.c.day >= since).order_by(*columns[:3])
        with self._database.read() as connection:
            return [(row.scope, row.owner, row.day, bytes(row.body)) for row in connection.execute(query)]

    def drop(self, before: str) -> None:
        """Forget what is older than a day.

        Raises:
            LedgerError: the database cannot be written.
        """
        with self._database.write() as connection:
            connection.execute(delete(_table).where(_table.c.day < before))

    def forget(self, scope: str) -> int:
        """Forget what was remembered of a caller; returns how many sketches these were.

        Raises:
            LedgerError: the database cannot be written.
        """
        with self._database.write() as connection:
            return connection.execute(delete(_table).where(_table.c.scope == scope)).rowcount
