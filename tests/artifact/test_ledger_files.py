"""Opening: the key, the database, its schema revision, and eight processes that come at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from seekloop.artifact import schema
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.migrations.upgrade import config_of
from seekloop.system.errors import LedgerError


def code_of(action) -> str:
    with pytest.raises(LedgerError) as caught:
        action()
    assert caught.value.hint("en") and caught.value.hint("zh")
    return caught.value.code


def test_a_new_folder_gets_a_key_that_only_its_owner_reads(tmp_path):
    Ledger.in_folder(tmp_path / "new").close()
    assert stat.S_IMODE((tmp_path / "new/ledger.key").stat().st_mode) == 0o600


def test_a_folder_that_is_opened_again_has_its_events(tmp_path):
    for name in ("a", "b"):
        ledger = Ledger.in_folder(tmp_path)
        ledger.note("tick", name, facts={}, actor="li")
        ledger.close()
    ledger = Ledger.in_folder(tmp_path)
    assert [event.subject for event in ledger.events()] == ["a", "b"]
    assert ledger.verify() == 2
    ledger.close()


def test_a_ledger_whose_key_is_gone_is_not_given_a_new_one(tmp_path):
    Ledger.in_folder(tmp_path).close()
    (tmp_path / "ledger.key").unlink()
    assert code_of(lambda: Ledger.in_folder(tmp_path)) == "artifact.key_missing"
    assert not (tmp_path / "ledger.key").exists()


@pytest.mark.parametrize("text", ["", "not hex", "abcd"])
def test_a_key_file_that_holds_no_key_is_refused(tmp_path, text):
    Ledger.in_folder(tmp_path).close()
    (tmp_path / "ledger.key").write_text(text)
    assert code_of(lambda: Ledger.in_folder(tmp_path)) == "artifact.key_unreadable"


def test_a_ledger_is_not_opened_with_the_key_of_another(database, both):
    both.note("tick", "a", facts={}, actor="li")
    assert code_of(lambda: Ledger.open(database, key=b"x" * 32)) == "artifact.key_wrong"


def test_a_ledger_of_a_newer_revision_is_refused_and_left_alone(both, database, tamper):
    both.note("tick", "a", facts={}, actor="li")
    tamper("UPDATE alembic_version SET version_num = '9999'")
    assert code_of(lambda: Ledger.open(database, key=b"k" * 32)) == "artifact.ledger_newer"
    assert tamper("UPDATE alembic_version SET version_num = '9999'") == 1


def test_the_revisions_make_the_tables_that_the_code_reads(both, database):
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_the_revisions_are_the_ones_that_the_code_knows():
    script = ScriptDirectory.from_config(config_of())
    assert tuple(reversed([revision.revision for revision in script.walk_revisions()])) == schema.REVISIONS


def test_a_ledger_of_every_earlier_revision_is_brought_up(tmp_path):
    for dump in sorted(Path(__file__).parent.glob("ledgers/*.sql")):
        folder = tmp_path / dump.stem
        folder.mkdir()
        with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as connection:
            connection.executescript(dump.read_text("utf-8"))
        (folder / "ledger.key").write_text("6b" * 32)
        ledger = Ledger.in_folder(folder)
        assert ledger.verify() == 7
        assert ledger.answer("ans_0000").content == "答案 0"
        ledger.close()


def test_opening_a_current_ledger_does_not_import_alembic(tmp_path):
    Ledger.in_folder(tmp_path).close()
    program = (
        "import sys; from pathlib import Path; from seekloop.artifact.ledger import Ledger;"
        "Ledger.in_folder(Path(sys.argv[1])).close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0


@pytest.mark.parametrize("url", ["mysql://localhost/x", "oracle://localhost/x"])
def test_another_kind_of_database_is_refused(url):
    assert code_of(lambda: Ledger.open(url, key=b"k" * 32)) == "artifact.ledger_backend"


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    assert code_of(lambda: Ledger.open(url, key=b"k" * 32)) == "artifact.ledger_damaged"


def test_a_place_where_no_file_can_be_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    url = f"sqlite:///{tmp_path / 'file' / 'ledger.db'}"
    assert code_of(lambda: Ledger.open(url, key=b"k" * 32)) == "artifact.ledger_unreachable"


def test_a_server_that_is_not_there_is_a_sentence_without_the_password():
    with pytest.raises(LedgerError) as caught:
        Ledger.open("postgresql://me:secret@127.0.0.1:1/x", key=b"k" * 32)
    assert caught.value.code == "artifact.ledger_unreachable"
    assert "secret" not in str(caught.value)


def _open_and_note(folder: str, gate: multiprocessing.Barrier) -> None:
    gate.wait()
    ledger = Ledger.in_folder(Path(folder))
    ledger.note("tick", "a", facts={}, actor="li")
    ledger.close()


def test_eight_processes_that_open_a_fresh_folder_at_once_share_one_ledger(tmp_path):
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(8)
    children = [context.Process(target=_open_and_note, args=(str(tmp_path), gate)) for _ in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 8
    ledger = Ledger.in_folder(tmp_path)
    assert ledger.verify() == 8
    ledger.close()
    assert len((tmp_path / "anchors.jsonl").read_text().splitlines()) == 8
