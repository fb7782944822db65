"""Databases: streamed, incremental by watermark, the same bytes however often they are read, and no secret anywhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from seekloop.artifact.rows import read_rows
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.system import settings
from seekloop.system.errors import DataError, UsageError

SERVER = settings.test_postgres()
TICKETS = [(1, "my card is gone", "lost", "2026-03-01 10:00:00"), (2, "wrong fee: 5%", "fee", "2026-03-02 10:00:00")]
CREATE = "CREATE TABLE tickets (id INTEGER PRIMARY KEY, text VARCHAR(200), intent VARCHAR(20), changed TIMESTAMP)"
Sql = Callable[..., None]


@pytest.fixture(params=["sqlite", *(["postgresql"] if SERVER else [])])
def database(request, tmp_path) -> Iterator[str]:
    """URL of a database that is there for the test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'crm.db'}"
        return
    server = sqlalchemy.make_url(SERVER).set(drivername="postgresql+pg8000")
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"seekloop_sql_{abs(hash(str(tmp_path))) % 10**9}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def url(database, monkeypatch) -> str:
    """The URL as specs name it."""
    monkeypatch.setenv("CRM_URL", database)
    return "${CRM_URL}"


@pytest.fixture
def sql(database) -> Iterator[Sql]:
    """Run a statement with rows of parameters; the table of tickets is there."""
    engine = sqlalchemy.create_engine(database, poolclass=sqlalchemy.NullPool)

    def run(statement: str, rows: list[tuple] = ()) -> None:
        with engine.begin() as connection:
            names = [f"p{n}" for n in range(len(rows[0]))] if rows else []
            text = statement.format(*(f":{name}" for name in names))
            connection.execute(sqlalchemy.text(text), [dict(zip(names, row, strict=True)) for row in rows] or None)

    run(CREATE)
    run("INSERT INTO tickets VALUES ({}, {}, {}, {})", TICKETS)
    yield run
    engine.dispose()


@pytest.fixture
def pull(room) -> Callable:
    """Read one source; the corpus and the texts of its rows."""

    def read_source(**sql):
        corpus = read_corpus([SourceSpec.parse({"sql": sql})], ctx=room)
        rows = list(read_rows(room.store.path(corpus.id, "rows.jsonl")))
        return corpus, [row.messages[0].content for row in rows]

    return read_source


@pytest.mark.parametrize("what", [{"table": "tickets"}, {"query": "SELECT text, intent FROM tickets ORDER BY id;"}])
def test_a_table_or_query_is_read_and_told_like_any_other_source(url, sql, pull, said, what):
    corpus, texts = pull(url=url, **what)
    assert texts == ["my card is gone", "wrong fee: 5%"]
    assert corpus.formats[0].endswith("/labelled")
    assert "labelled (text=text, label=intent)" in said.lines[-1]


def test_a_query_may_hold_colons_and_per_cent_signs(url, sql, pull):
    query = "SELECT text, intent, ':x' AS y FROM tickets WHERE text LIKE '%fee: 5%' AND '10:30' = '10:30'"
    assert pull(url=url, query=query)[1] == ["wrong fee: 5%"]


def test_later_runs_read_what_is_new_and_a_changed_row_takes_the_place_of_the_old_one(url, sql, pull, said):
    spec = {"url": url, "table": "tickets", "watermark": "changed", "batch": 1}
    assert pull(**spec)[1] == ["my card is gone", "wrong fee: 5%"]
    sql("INSERT INTO tickets VALUES ({}, {}, {}, {})", [(3, "close it", "close", "2026-03-02 10:00:00")])
    sql("UPDATE tickets SET text = 'my card was stolen', changed = '2026-03-03 09:00:00' WHERE id = 1")
    assert pull(**spec)[1] == ["my card was stolen", "wrong fee: 5%", "close it"]
    assert any("3 rows read since changed 2026-03-02" in line and "3 in all" in line for line in said.lines)


def test_reading_again_gives_the_same_corpus_and_so_does_reading_anew(url, sql, pull, room):
    spec = {"url": url, "table": "tickets", "watermark": "changed"}
    first = pull(**spec)[0]
    again = pull(**spec)[0]
    for path in room.work.glob("pull-*"):
        path.unlink()
    assert first.id == again.id == pull(**spec)[0].id


def test_a_read_that_broke_off_goes_on_after_its_last_batch(url, sql, pull, said):
    spec = {"url": url, "query": "SELECT * FROM tickets", "watermark": "changed", "key": "id", "batch": 1}
    sql("INSERT INTO tickets VALUES ({}, {}, {}, {})", [(7, "x" * 9, None, "2026-03-05 00:00:00")])
    with pytest.raises(DataError):
        pull(**{**spec, "query": "SELECT id, text, intent, changed FROM tickets, nothing"})
    assert len(pull(**spec)[1]) == 3
    assert pull(**spec)[1] == ["my card is gone", "wrong fee: 5%", "x" * 9]
    assert any("1 rows read since" in line for line in said.lines)


def test_a_table_without_a_primary_key_needs_a_key(url, sql, pull):
    sql("CREATE TABLE loose (text VARCHAR(20), intent VARCHAR(20), changed TIMESTAMP)")
    with pytest.raises(DataError) as caught:
        pull(url=url, table="loose", watermark="changed")
    assert caught.value.code == "data.sql_no_key"


def test_what_the_database_says_is_one_sentence(url, sql, pull):
    with pytest.raises(DataError) as caught:
        pull(url=url, query="SELECT nothing FROM tickets")
    assert caught.value.code == "data.sql_failed"
    assert "nothing" in caught.value.sentence("en")


def test_two_columns_of_one_name_are_refused(url, sql, pull):
    with pytest.raises(DataError) as caught:
        pull(url=url, query="SELECT id, text, intent, text FROM tickets")
    assert caught.value.code == "data.column_twice"


@pytest.mark.parametrize(
    "url",
    ["postgresql://reader:hunter2@db/crm", "mysql://db/crm?password=hunter2", "mssql://u:${A}x@db/crm"],
)
def test_a_password_in_clear_is_refused_without_being_shown(url):
    with pytest.raises(UsageError) as caught:
        SourceSpec.parse({"sql": {"url": url, "table": "tickets"}})
    assert caught.value.code == "system.spec_bad_value"
    assert "hunter2" not in str(caught.value)


def test_a_secret_that_is_not_set_is_named(pull):
    with pytest.raises(UsageError) as caught:
        pull(url="postgresql://reader:${NO_SUCH_SECRET}@localhost/crm", table="tickets")
    assert (caught.value.code, caught.value.facts) == ("system.secret_missing", {"name": "NO_SUCH_SECRET"})


def test_no_secret_is_in_the_message_the_corpus_or_the_ledger(pull, room, monkeypatch, tmp_path):
    monkeypatch.setenv("CRM_PASSWORD", "hunter2-hunter2")
    with pytest.raises(DataError) as caught:
        pull(url="postgresql+pg8000://reader:${CRM_PASSWORD}@127.0.0.1:1/crm", table="tickets")
    assert "hunter2" not in f"{caught.value}{caught.value.facts}"
    path = tmp_path / "hunter2-hunter2.db"
    with sqlite3.connect(path) as plain:
        plain.execute("CREATE TABLE t (text, intent)")
        plain.execute("INSERT INTO t VALUES ('a b', 'c')")
    plain.close()
    corpus, _ = pull(url="sqlite:///${CRM_PASSWORD}.db", table="t")
    ledger = json.dumps([event.facts for event in room.ledger.events()], default=str)
    assert "hunter2" not in corpus.model_dump_json() + ledger


def test_a_relative_sqlite_file_is_taken_from_the_project_and_never_made(pull, tmp_path: Path):
    with pytest.raises(DataError) as caught:
        pull(url="sqlite:///nowhere.db", table="tickets")
    assert caught.value.code == "data.not_found"
    assert not (tmp_path / "nowhere.db").exists()
