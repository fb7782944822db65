"""Who may work on something for a while: one holder at a time, each time with a higher token.

Taking a lease is an event, so its number is a fencing token: whoever decides under a lease writes with `Turn` of the
event's kind and number, and is refused once somebody else has taken it, however long it slept. What keeps a lease is a
row that the holder overwrites; a holder that stops doing so loses it. Clocks decide only how soon that is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from seekloop.artifact import schema
from seekloop.artifact.database import insert_rows
from seekloop.artifact.journal import Journal, head_of, stamp
from seekloop.artifact.records import Turn

__all__ = ["Lease", "Leases"]


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What somebody holds."""

    name: str
    holder: str
    """Who, in words: machine and process."""
    token: int
    """Number of the event that gave it."""
    until: str
    """ISO 8601, UTC, microseconds; what is past can be taken."""

    @property
    def fence(self) -> Turn:
        """For decisions under this lease."""
        return Turn(kinds=(_kind(self.name),), seq=self.token)


class Leases:
    """Takes, keeps and gives back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def find(self, name: str) -> Lease | None:
        """The lease that was taken last; None where there was none. Its time may be over."""
        with self._journal.database.read() as connection:
            row = connection.execute(select(schema.lease).where(schema.lease.c.name == name)).first()
        return Lease(**row._mapping) if row else None

    def live(self, lease: Lease) -> bool:
        """Whether its time is not over."""
        return lease.until > stamp(self._journal.clock.now())

    def take(self, name: str, *, holder: str, seconds: float, actor: str, ended: Callable[[str], bool]) -> Lease | None:
        """Take a lease; None where somebody else holds it.

        Args:
            name: of the lease.
            holder: who asks, in words.
            seconds: how long it lasts, unless it is kept.
            actor: for the event.
            ended: tells of a holder whether it is known to be gone; one that is may be relieved at once.

        Raises:
            LedgerError: the database cannot be written.
        """
        with self._journal.writing() as pen:
            now = self._journal.clock.now()
            row = pen.connection.execute(select(schema.lease).where(schema.lease.c.name == name)).first()
            if row is not None and row.until > stamp(now) and not ended(row.holder):
                return None
            newest = head_of(pen.connection)
            lease = Lease(
                name=name,
                holder=holder,
                token=(newest[0] if newest else 0) + 1,
                until=stamp(now + dt.timedelta(seconds=seconds)),
            )
            pen.add(_kind(name), name, facts={"holder": holder, "seconds": seconds}, actor=actor)
            pen.connection.execute(delete(schema.lease).where(schema.lease.c.name == name))
            insert_rows(pen.connection, schema.lease, rows=[vars(lease)])
        return lease

    def keep(self, lease: Lease, *, seconds: float) -> bool:
        """Hold on for so long from now; False where somebody else has taken it."""
        return self._until(lease, stamp(self._journal.clock.now() + dt.timedelta(seconds=seconds)))

    def give_back(self, lease: Lease) -> None:
        """Let go; nothing happens where somebody else has taken it."""
        self._until(lease, "")

    def _until(self, lease: Lease, until: str) -> bool:
        own = (schema.lease.c.name == lease.name) & (schema.lease.c.token == lease.token)
        with self._journal.database.write() as connection:
            return connection.execute(update(schema.lease).where(own).values(until=until)).rowcount == 1


def _kind(name: str) -> str:
    return f"{name}.leased"
