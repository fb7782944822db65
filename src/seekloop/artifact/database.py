"""The ledger's database: SQLite in a file, or PostgreSQL; how it is opened, locked and read."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, Table, event, insert, text
from sqlalchemy.exc import DBAPIError, InterfaceError

from seekloop.artifact import schema
from seekloop.artifact.turns import Turns
from seekloop.system.errors import LedgerError
from seekloop.system.lazy import need

__all__ = [
    "Database",
    "blocks",
    "connect",
    "driver",
    "explained",
    "insert_rows",
    "one_opens",
    "select_among",
    "select_rows",
]

T = TypeVar("T")
_busy_timeout_s, _block = 30.0, 500
_longest_log = 10_000
"""Pages of SQLite's log at which a writer empties it itself, where somebody else should have."""
_most_rows = 64
"""Of one INSERT: times the columns of the widest table, below SQLite's limit of 999 or more values a statement."""
_advisory_lock = 0x5EE_C100B
"""Any number that other users of the same PostgreSQL database are unlikely to lock."""

_sqlite_codes = {
    sqlite3.SQLITE_BUSY: "artifact.ledger_locked",
    sqlite3.SQLITE_FULL: "system.disk_full",
    sqlite3.SQLITE_IOERR: "artifact.ledger_unreachable",
    sqlite3.SQLITE_CANTOPEN: "artifact.ledger_unreachable",
    sqlite3.SQLITE_READONLY: "artifact.ledger_unreachable",
    sqlite3.SQLITE_NOTADB: "artifact.ledger_damaged",
    sqlite3.SQLITE_CORRUPT: "artifact.ledger_damaged",
}
_postgres_codes = {
    "53100": "system.disk_full",
    "55P03": "artifact.ledger_locked",
    "08": "artifact.ledger_unreachable",
    "28": "artifact.ledger_unreachable",
    "3D000": "artifact.ledger_unreachable",
    "53": "artifact.ledger_unreachable",
    "57P": "artifact.ledger_unreachable",
}
"""SQLSTATE, or the beginning of one -> code; the first that fits."""


class Database:
    """Read and write transactions over one database, whose schema is at this code's revision.

    Args:
        url: SQLAlchemy URL: `sqlite:///PATH` or `postgresql://…`.

    Raises:
        LedgerError: cannot be opened, is locked, or is of a newer revision.
    """

    def __init__(self, url: str) -> None:
        self._url = sqlalchemy.make_url(url)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self._shown = self._url.render_as_string(hide_password=True)
        self._mutex = threading.Lock()
        self._engine = connect(self._url)
        self._turns: Turns | None = None
        self._writer: Connection | None = None
        self._emptied = False
        try:
            with one_opens(self._url):
                self._turns = Turns(_file_of(self._url)) if self._sqlite else None
                self._bring_up()
        except OSError as error:
            raise LedgerError("artifact.ledger_unreachable", url=self._shown) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self._drop_writer()
        self._engine.dispose()
        if self._turns is not None:
            self._turns.close()

    @contextlib.contextmanager
    def read(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """A connection in a read transaction; with `snapshot`, all its queries see one state.

        Raises:
            LedgerError: the database cannot be reached, or is locked.
        """
        with explained(self._url), self._engine.connect() as connection:
            if snapshot and not self._sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in the only write transaction there is, committed with the block.

        Raises:
            LedgerError: the database cannot be reached, is full, or stayed locked for 30 s.
        """
        with (
            self._mutex,
            self._turns.turn() if self._turns is not None else contextlib.nullcontext(),
            explained(self._url),
            self._writing() as connection,
            connection.begin(),
        ):
            if not self._sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _advisory_lock})
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        """The connection that writes. SQLite's is kept, unless a block fails: to fetch one costs as much as a row."""
        if not self._sqlite:
            with self._engine.connect() as connection:
                yield connection.execution_options(seekloop_write=True)
            return
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(seekloop_write=True)
            if self._emptied:
                driver(self._writer).execute(f"PRAGMA wal_autocheckpoint={_longest_log}")
        try:
            yield self._writer
        except BaseException:
            self._drop_writer()
            raise

    def _drop_writer(self) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.close()

    def empty_log(self) -> None:
        """Move what was written from SQLite's log into its file, beside whoever writes.

        From the first call on, writers here leave that to the caller, until the log is far longer than it should be.

        Raises:
            LedgerError: the database cannot be reached, or is full.
        """
        if not self._sqlite:
            return
        with explained(self._url), self._engine.connect() as connection:
            if not self._emptied:
                with self._mutex:
                    self._emptied = True
                    self._drop_writer()
            if _left_in_log(connection):
                # The log begins anew only when all of it was moved: what came meanwhile, which is little, is moved
                # while nobody writes.
                _left_in_log(connection)
                with self._mutex, contextlib.nullcontext() if self._turns is None else self._turns.turn():
                    _left_in_log(connection)

    def _bring_up(self) -> None:
        """Bring the schema to the newest revision; nothing is locked where it is there already."""
        try:
            with self.read() as connection:
                found = _revision(connection)
        except UnicodeDecodeError as error:  # SQLite quotes the damaged schema, and the driver cannot decode it
            raise LedgerError("artifact.ledger_damaged", url=self._shown) from error
        if found != schema.REVISIONS[-1]:
            with self.write() as connection:
                _migrate(connection)

    def check(self) -> None:
        """See that SQLite's own indexes agree with its tables; PostgreSQL sees to this itself.

        Raises:
            LedgerError: they do not: reads would miss rows that a scan finds.
        """
        if self._sqlite:
            with self.read() as connection:
                if connection.execute(text("PRAGMA integrity_check(1)")).scalar() != "ok":
                    raise LedgerError("artifact.ledger_damaged", url=self._shown)


def connect(url: sqlalchemy.URL) -> Engine:
    """An engine over a SQLite file that many may write to, or over PostgreSQL.

    Raises:
        LedgerError: it is another kind of database.
        MissingPackage: PostgreSQL's driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(_file_of(url))
    if url.get_backend_name() == "postgresql":
        need("pg8000", extra="postgres")
        return sqlalchemy.create_engine(url.set(drivername="postgresql+pg8000"), pool_pre_ping=True)
    raise LedgerError("artifact.ledger_backend", url=url.render_as_string(hide_password=True))


@contextlib.contextmanager
def one_opens(url: sqlalchemy.URL) -> Iterator[None]:
    """Let one process at a time open a SQLite file: SQLite does not wait for its switch to WAL."""
    if url.get_backend_name() != "sqlite":
        yield
        return
    file = _file_of(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def explained(url: sqlalchemy.URL) -> Iterator[None]:
    """Turn what the database says into a sentence, where the user can do something about it."""
    try:
        yield
    except DBAPIError as error:
        code = _explain(error)
        if code is None:
            raise
        shown = url.render_as_string(hide_password=True)
        raise LedgerError(code, url=shown, path=shown) from error
    except sqlite3.DatabaseError as error:  # of what goes to the driver directly
        code = _explain_sqlite(error)
        if code is None:
            raise
        shown = url.render_as_string(hide_password=True)
        raise LedgerError(code, url=shown, path=shown) from error


def insert_rows(connection: Connection, table: Table, *, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns, in as few round trips as the database allows."""
    if connection.dialect.name == "sqlite":
        # Every answer that is served is written here, and SQLAlchemy's part would be most of what a small batch costs.
        columns, at = tuple(rows[0]), 0
        while at < len(rows):
            # Many rows a statement: at each, a thread that writes has to win Python's lock again from those that serve.
            # By powers of two, so that few statements are ever made.
            count = min(_most_rows, 1 << ((len(rows) - at).bit_length() - 1))
            values = [value for row in rows[at : at + count] for value in row.values()]
            driver(connection).execute(_insertion(table.name, columns, rows=count), values)
            at += count
        return
    # Asking for something back makes SQLAlchemy send many rows a statement; else its driver sends one.
    connection.execute(insert(table).returning(*table.primary_key), list(rows))


def driver(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection, in the same transaction."""
    found: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return found


def select_rows(connection: Connection, statement: str, *, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """The rows of a statement with `:name` for each of its values, without SQLAlchemy's part where there are many."""
    if connection.dialect.name == "sqlite":
        found: list[tuple[Any, ...]] = driver(connection).execute(statement, values).fetchall()
        return found
    return [tuple(row) for row in connection.execute(text(statement), values)]


def select_among(connection: Connection, statement: str, *, among: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of a statement that ends before the list of an `IN`, for at most a block of texts."""
    numbered = {f"p{number}": value for number, value in enumerate(among)}
    return select_rows(connection, f"{statement} {_places(len(numbered))}", values=numbered)


@functools.cache
def _places(count: int) -> str:
    return f"({', '.join(f':p{number}' for number in range(count))})"


@functools.cache
def _insertion(table: str, columns: tuple[str, ...], *, rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"


def _file_of(url: sqlalchemy.URL) -> Path:
    return Path(url.database or "ledger.db")


def _sqlite_engine(file: Path) -> Engine:
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=str(file)), connect_args={"timeout": _busy_timeout_s}
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own is deferred, and loses races
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("seekloop_write", False)
        driver(connection).execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _explain(error: DBAPIError) -> str | None:
    """The code of what went wrong; None for what is a defect of ours."""
    cause = error.orig
    if isinstance(cause, sqlite3.DatabaseError):
        return _explain_sqlite(cause)
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return "artifact.ledger_unreachable"
    told = cause.args[0] if cause is not None and cause.args else None
    state = str(told.get("C", "")) if isinstance(told, dict) else ""
    return next((code for start, code in _postgres_codes.items() if state.startswith(start)), None)


def _explain_sqlite(error: sqlite3.DatabaseError) -> str | None:
    # What the driver itself raises, such as for text that is not UTF-8, carries no number.
    number: int = vars(error).get("sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return _sqlite_codes.get(number & 0xFF)


def _left_in_log(connection: Connection) -> int:
    """Move SQLite's log into its file as far as readers and writers allow; the pages that are left."""
    _, log, moved = driver(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(log - moved)


def _migrate(connection: Connection) -> None:
    """Bring the schema to the newest revision; Alembic is imported only where there is something to do."""
    found = _revision(connection)
    if found == schema.REVISIONS[-1]:
        return
    if found is not None and found not in schema.REVISIONS:
        raise LedgerError("artifact.ledger_newer", revision=found, known=schema.REVISIONS[-1])
    from seekloop.artifact.migrations.upgrade import upgrade

    upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def blocks(items: Iterable[T]) -> Iterator[list[T]]:
    """`items`, a few hundred at a time: as many as every database takes in one `IN (…)`."""
    source = iter(items)
    while block := list(itertools.islice(source, _block)):
        yield block
