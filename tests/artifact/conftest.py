"""One suite on both databases: what takes `database` runs on SQLite, and on PostgreSQL where there is one."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from seekloop.artifact import schema
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.vault import Vault
from seekloop.artifact.wrapping import KeyFile
from seekloop.system import settings
from seekloop.system.clock import ManualClock

KEY = b"k" * 32
SERVER = settings.test_postgres()


@contextlib.contextmanager
def new_postgres() -> Iterator[str]:
    """URL of a database that is there for the block."""
    server = sqlalchemy.make_url(SERVER).set(drivername="postgresql+pg8000")
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"seekloop_{uuid.uuid4().hex[:12]}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL database for the session."""
    with new_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", *(["postgresql"] if SERVER else [])])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database: a file of the test's own, or the session's, emptied afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    url = request.getfixturevalue("postgres")
    yield url
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(table.delete())
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{schema.REVISIONS[-1]}'")
    engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at the first of January 2026."""
    return ManualClock()


@pytest.fixture
def open_ledger(database: str, tmp_path: Path, clock: ManualClock) -> Iterator[Callable[[], Ledger]]:
    """Opens the test's database again and again; what was opened is closed at the end."""
    opened: list[Ledger] = []

    def _open() -> Ledger:
        vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", KeyFile(tmp_path / "payload.key"))
        opened.append(Ledger.open(database, key=KEY, anchors=tmp_path / "anchors.jsonl", vault=vault, clock=clock))
        return opened[-1]

    yield _open
    for ledger in opened:
        ledger.close()


@pytest.fixture
def both(open_ledger: Callable[[], Ledger]) -> Ledger:
    """An empty ledger on each database."""
    return open_ledger()


@pytest.fixture
def tamper(database: str) -> Iterator[Callable[[str], int]]:
    """Runs SQL on the test's database behind the ledger's back; returns the number of rows touched."""
    engine = sqlalchemy.create_engine(database)

    def _run(statement: str) -> int:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            return connection.exec_driver_sql(statement).rowcount

    yield _run
    engine.dispose()
