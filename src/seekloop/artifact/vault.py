"""The keys that texts are encrypted under, each wrapped, in a database of their own beside the ledger's.

Apart from the ledger, so that a copy of the ledger's database holds no key: destroying one here takes the texts out of
every copy of the ledger too. A key belongs to a subject, and is found by each of the subject's scopes (tenant, caller,
user), which are pseudonyms here. A subject may have several keys: whoever comes again after an erasure gets a new one.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from sqlalchemy import Boolean, Column, Connection, Engine, MetaData, Table, Text, delete, select, text, update

from seekloop.artifact.database import blocks, connect, explained, insert_rows, one_opens
from seekloop.artifact.wrapping import Wrapper
from seekloop.system.errors import LedgerError

__all__ = ["DataKey", "Vault"]

_metadata = MetaData()
_key = Table(
    "data_key",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("wrapped", Text, nullable=False),
    Column("doomed", Boolean, nullable=False),
)
_scope = Table(
    "key_scope",
    _metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True, index=True),
    Column("own", Boolean, nullable=False),
)
_length, _remembered = 32, 8192
_advisory_lock = 0x5EE_C100C


@dataclass(frozen=True)
class DataKey:
    """A key that texts are encrypted under."""

    id: str
    """`key_` and 32 hex digits, random."""
    secret: bytes


class Vault:
    """Data keys by subject and by id. Safe to share between threads and processes.

    Args:
        url: SQLAlchemy URL of the database, which is made when a key is first needed.
        wrapper: encrypts what is kept there.
    """

    def __init__(self, url: str, wrapper: Wrapper) -> None:
        self._url = sqlalchemy.make_url(url)
        self._wrapper = wrapper
        self._mutex = threading.Lock()
        self._engine: Engine | None = None
        self._secrets: dict[str, bytes] = {}
        self._current: dict[str, str] = {}

    def close(self) -> None:
        """Let go of the database and of every key in memory."""
        with self._mutex:
            self._secrets.clear()
            self._current.clear()
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def current(self, subjects: Sequence[Sequence[str]]) -> list[DataKey]:
        """The newest key of each subject, made durable first where there is none.

        Args:
            subjects: the scopes of each, the widest first; the last is the subject's own.

        Raises:
            LedgerError: the database or the wrapping key cannot be had.
        """
        with self._mutex:
            self._make_room()
            wanted = {scopes[-1]: scopes for scopes in subjects}
            missing = [own for own in wanted if own not in self._current]
            if missing:
                self._find(missing)
                self._make([wanted[own] for own in missing if own not in self._current])
            return [self._of(scopes[-1]) for scopes in subjects]

    def forget(self, ids: Sequence[str]) -> None:
        """Use these keys for nothing new: another process destroyed them."""
        with self._mutex:
            gone = set(ids)
            for identity in gone:
                self._secrets.pop(identity, None)
            for own in [own for own, identity in self._current.items() if identity in gone]:
                del self._current[own]

    def open(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Id -> key, of those that are there.

        Raises:
            LedgerError: the database or the wrapping key cannot be had.
        """
        with self._mutex:
            self._make_room()
            missing = [identity for identity in dict.fromkeys(ids) if identity not in self._secrets]
            if missing:
                with self._reading() as connection:
                    for block in blocks(missing):
                        for identity, wrapped in connection.execute(
                            select(_key.c.id, _key.c.wrapped).where(_key.c.id.in_(block), _key.c.wrapped != "")
                        ).all():
                            self._secrets[identity] = self._unwrapped(identity, wrapped)
            return {identity: self._secrets[identity] for identity in ids if identity in self._secrets}

    def within(self, scope: str) -> list[str]:
        """Ids of every key in a scope."""
        with self._mutex, self._reading() as connection:
            return list(connection.execute(select(_scope.c.key).where(_scope.c.scope == scope)).scalars())

    def doom(self, ids: Sequence[str]) -> None:
        """Mark keys that are about to be destroyed: nothing new is encrypted under them."""
        with self._mutex, self._writing() as connection:
            for block in blocks(ids):
                connection.execute(update(_key).where(_key.c.id.in_(block)).values(doomed=True))
        self.forget(ids)

    def doomed(self) -> list[str]:
        """Ids of keys that were marked and are still there."""
        with self._mutex, self._reading() as connection:
            return list(connection.execute(select(_key.c.id).where(_key.c.doomed, _key.c.wrapped != "")).scalars())

    def destroyed(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that were destroyed here, which is not the same as never having been here."""
        found: set[str] = set()
        with self._mutex, self._reading() as connection:
            for block in blocks(ids):
                query = select(_key.c.id).where(_key.c.id.in_(block), _key.c.wrapped == "")
                found.update(connection.execute(query).scalars())
        return found

    def destroy(self, ids: Sequence[str]) -> None:
        """Take keys out of the database, so that its file holds none of their bytes; only their ids stay."""
        self.forget(ids)
        with self._mutex:
            with self._writing() as connection:
                for block in blocks(ids):
                    connection.execute(delete(_scope).where(_scope.c.key.in_(block)))
                    connection.execute(update(_key).where(_key.c.id.in_(block)).values(wrapped="", doomed=True))
            self._forget_pages()

    def prepare_next(self) -> Path | None:
        """Have the wrapper make its next key; where it lies. None: it has no file."""
        with self._mutex:
            self._ready()
            return self._wrapper.prepare_next()

    def rewrap(self, record: Callable[[str, int], None]) -> int:
        """Wrap every key under the wrapper's next key; how many there are.

        Args:
            record: is told what the next key is called, and the number of keys, once all are wrapped under it.

        Raises:
            LedgerError: the database, or one of both wrapping keys, cannot be had.
        """
        with self._mutex:
            self._ready()
            name = self._wrapper.begin(shared=self._url.get_backend_name() != "sqlite")
            count = 0
            with self._making() as connection:
                kept = connection.execute(select(_key.c.id, _key.c.wrapped).where(_key.c.wrapped != "")).all()
                for identity, wrapped in kept:
                    again = self._wrapper.wrap(self._wrapper.unwrap(wrapped, name=identity), name=identity)
                    connection.execute(update(_key).where(_key.c.id == identity).values(wrapped=again))
                    count += 1
            self._forget_pages()
            record(name, count)
            self._wrapper.settle()
            return count

    def _unwrapped(self, identity: str, wrapped: str) -> bytes:
        """A key, read once more where it was wrapped under another one since it was read."""
        try:
            return self._wrapper.unwrap(wrapped, name=identity)
        except LedgerError as error:
            if error.code != "artifact.payload_key_wrong":
                raise
            with self._reading() as connection:
                now = connection.execute(select(_key.c.wrapped).where(_key.c.id == identity)).scalar()
            if not now or now == wrapped:
                raise
            return self._wrapper.unwrap(now, name=identity)

    def _of(self, own: str) -> DataKey:
        identity = self._current[own]
        return DataKey(identity, self._secrets[identity])

    def _find(self, owners: list[str]) -> None:
        """Remember the newest key of each of `owners` that has one."""
        joined = select(_scope.c.scope, _key.c.id, _key.c.wrapped).join(_key, _key.c.id == _scope.c.key)
        with self._reading() as connection:
            for block in blocks(owners):
                usable = joined.where(_scope.c.scope.in_(block), _scope.c.own, ~_key.c.doomed)
                for own, identity, wrapped in connection.execute(usable).all():
                    self._secrets[identity] = self._unwrapped(identity, wrapped)
                    self._current[own] = identity

    def _make(self, subjects: list[Sequence[str]]) -> None:
        """A new key for each subject."""
        if not subjects:
            return
        keys, scopes, made = [], [], []
        with self._making() as connection:
            # Wrapped in the transaction: under the key that will be there when it ends.
            for each in subjects:
                key = DataKey(f"key_{secrets.token_hex(16)}", secrets.token_bytes(_length))
                made.append((each[-1], key))
                keys.append({"id": key.id, "wrapped": self._wrapper.wrap(key.secret, name=key.id), "doomed": False})
                scopes += [{"scope": scope, "key": key.id, "own": scope == each[-1]} for scope in dict.fromkeys(each)]
            insert_rows(connection, _key, rows=keys)
            insert_rows(connection, _scope, rows=scopes)
        for own, key in made:
            self._secrets[key.id] = key.secret
            self._current[own] = key.id

    def _make_room(self) -> None:
        """Keep memory bounded: before a call, never within one, which needs all that it has found."""
        if len(self._secrets) > _remembered:
            self._secrets.clear()
            self._current.clear()

    def _forget_pages(self) -> None:
        """Empty the log of changes, which still has the pages as they were."""
        if self._url.get_backend_name() == "sqlite":
            with self._ready().connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    @contextlib.contextmanager
    def _making(self) -> Iterator[Connection]:
        """A transaction beside which no other one wraps a key."""
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _advisory_lock})
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(self._url), self._ready().connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            explained(self._url),
            self._ready().connect() as connection,
            connection.execution_options(seekloop_write=True).begin(),
        ):
            yield connection

    def _ready(self) -> Engine:
        """The database, its tables made and the wrapping key there."""
        if self._engine is None:
            if self._url.get_backend_name() == "sqlite":
                file = Path(self._url.database or "vault.db")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch(mode=0o600)
            engine = connect(self._url)
            with explained(self._url), one_opens(self._url):
                with engine.connect() as connection, connection.execution_options(seekloop_write=True).begin():
                    if connection.dialect.name == "postgresql":
                        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _advisory_lock})
                    _metadata.create_all(connection)
                    unused = connection.execute(select(_key.c.id).limit(1)).first() is None
                if unused:
                    self._wrapper.prepare()
            self._engine = engine
        return self._engine
