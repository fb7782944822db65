"""API keys as the ledger knows them: each is made, rotated and revoked by an event with actor and reason.

What stands in an event is a slow hash of the secret, never the secret.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from seekloop.artifact import schema
from seekloop.artifact.journal import Journal, stamp
from seekloop.artifact.projection import Kind
from seekloop.artifact.records import Event
from seekloop.system.errors import LedgerError

__all__ = ["Credential", "Credentials", "apply"]

_kinds = (Kind.KEY_CREATED, Kind.KEY_ROTATED, Kind.KEY_REVOKED)
_events = select(schema.event).where(schema.event.c.kind.in_(_kinds))


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An API key."""

    id: str
    name: str
    digest: str
    """Slow hash of its secret."""
    grant: Mapping[str, Any] = field(default_factory=dict)
    """What its holder may, in the gateway's words."""
    created_at: str
    expires_at: str | None = None
    """ISO 8601, UTC, microseconds, as every time here; None: never."""
    former: str | None = None
    """Slow hash of the secret before the newest."""
    former_until: str | None = None
    """Until when the former secret is taken, too."""
    revoked_at: str | None = None

    def live(self, at: str) -> bool:
        """Whether it is taken at the moment `at`."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def digests(self, at: str) -> list[str]:
        """Slow hashes of the secrets that are taken at the moment `at`."""
        former = self.former if self.former_until is not None and at < self.former_until else None
        return [self.digest, former] if former else [self.digest]


class Credentials:
    """Reads and appends the events of API keys."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def tag(self, *parts: str) -> str:
        """16 hex digits that only the holder of the ledger's key can compute of `parts`."""
        return self._journal.chain.sign("api-key", *parts)[:16]

    def create(self, credential: Credential, *, actor: str, reason: str) -> None:
        """Record a new key.

        Raises:
            LedgerError: a key of this name is in use.
        """
        with self._journal.writing() as pen:
            now = stamp(self._journal.clock.now())
            if any(known.name == credential.name and known.live(now) for known in self._all(pen.connection).values()):
                raise LedgerError("access.name_taken", name=credential.name)
            facts = {
                "name": credential.name,
                "digest": credential.digest,
                "grant": dict(credential.grant),
                "expires_at": credential.expires_at,
                "reason": reason,
            }
            pen.add(Kind.KEY_CREATED, credential.id, facts=facts, actor=actor)

    def rotate(self, identity: str, digest: str, *, former_until: str | None, actor: str, reason: str) -> None:
        """Record that a key has a new secret; the one before is taken until `former_until`.

        Raises:
            LedgerError: there is no such key, or it is not in use any more.
        """
        facts = {"digest": digest, "former_until": former_until, "reason": reason}
        self._change(Kind.KEY_ROTATED, identity, facts=facts, actor=actor)

    def revoke(self, identity: str, *, actor: str, reason: str) -> None:
        """Record that a key is not taken from now on.

        Raises:
            LedgerError: there is no such key, or it is not in use any more.
        """
        self._change(Kind.KEY_REVOKED, identity, facts={"reason": reason}, actor=actor)

    def events(self, *, after: int = 0, identity: str | None = None) -> list[Event]:
        """What happened to keys, or to one of them, from the event after number `after`, in order."""
        query = _events if identity is None else _events.where(schema.event.c.subject == identity)
        return list(self._journal.events(query, after=after))

    def all(self) -> list[Credential]:
        """Every key that ever was, oldest first."""
        with self._journal.database.read() as connection:
            return list(self._all(connection).values())

    def find(self, name: str) -> Credential:
        """The key with this id or name; of several that had the name, the newest.

        Raises:
            LedgerError: there is none.
        """
        for credential in reversed(self.all()):
            if name in (credential.id, credential.name):
                return credential
        raise LedgerError("access.no_such_key", name=name)

    def _change(self, kind: Kind, identity: str, *, facts: Mapping[str, Any], actor: str) -> None:
        with self._journal.writing() as pen:
            known = self._all(pen.connection).get(identity)
            if known is None:
                raise LedgerError("access.no_such_key", name=identity)
            if not known.live(stamp(self._journal.clock.now())):
                raise LedgerError("access.not_in_use", name=known.name)
            pen.add(kind, identity, facts=facts, actor=actor)

    def _all(self, connection: Connection) -> dict[str, Credential]:
        rows = connection.execute(_events.order_by(schema.event.c.seq))
        found: dict[str, Credential] = {}
        apply(found, (self._journal.chain.read(tuple(row)) for row in rows))
        return found


def apply(known: dict[str, Credential], events: Iterable[Event]) -> None:
    """Bring `known` (id -> key) up to date with what happened since. A key that was touched is a new object."""
    for event in events:
        facts = event.facts
        if event.kind == Kind.KEY_CREATED:
            known[event.subject] = Credential(
                id=event.subject,
                name=facts["name"],
                digest=facts["digest"],
                grant=facts["grant"],
                created_at=event.at,
                expires_at=facts["expires_at"],
            )
        elif event.kind == Kind.KEY_ROTATED:
            before = known[event.subject]
            known[event.subject] = dataclasses.replace(
                before, digest=facts["digest"], former=before.digest, former_until=facts["former_until"]
            )
        elif event.kind == Kind.KEY_REVOKED:
            known[event.subject] = dataclasses.replace(known[event.subject], revoked_at=event.at)
