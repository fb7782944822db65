"""Verification in bulk finds whatever one at a time would: any field of any row, however it is changed."""

from __future__ import annotations

import random
import shutil
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seekloop.artifact.chain import GENESIS, Chain
from seekloop.artifact.ledger import Ledger
from seekloop.artifact.payloads import subject_name
from seekloop.system.errors import LedgerError
from tests.artifact.making import RECEIPT, a_feedback, an_answer, corpus

TABLES = ("event", "payload", "answer", "feedback", "erasure", "alias_move", "step", "artifact", "artifact_parent")
NAMES = {
    "event": {"artifact.chain_broken", "artifact.chain_gap", "artifact.chain_cut", "artifact.index_changed"},
    "payload": {"artifact.payload_changed", "artifact.payload_missing", "artifact.stray_rows"},
}
INDEX = {"artifact.index_changed", "artifact.stray_rows", "artifact.payload_missing", "artifact.ledger_damaged"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A closed ledger with something in every table."""
    folder = tmp_path_factory.mktemp("whole")
    ledger = Ledger.in_folder(folder)
    ledger.record_artifact(corpus(parents={"a": "corpus:1"}), RECEIPT, actor="li")
    for version in range(3):
        ledger.move_alias("production", f"release:{version}", expected_version=version, actor="li", reason="ok")
        ledger.record_step(run="r", name="data", key=f"k{version}", outputs={}, actor="li")
    ledger.record_answers([an_answer(n, subject=subject_name("bank", "app", f"user{n % 3}")) for n in range(9)])
    for number in (3, 4, 5):
        ledger.record_feedback(a_feedback(f"fb-{number}", answer=f"ans_{number:04x}", comment="否"))
    ledger.erase("ans_0001", actor="dpo", reason="asked")
    ledger.erase_subject(subject_name("bank", "app", "user2"), actor="dpo", reason="asked")
    assert (
        ledger.expire("feedback.recorded", before="2099-01-01", held=_nobody(ledger), actor="dpo", reason="old")[0] == 2
    )
    ledger.note("tick", "a", facts={"text": 'quoted "as" \\ and \x00 \u2028'}, actor="李")
    ledger.verify()
    ledger.close()
    return folder


def _nobody(ledger):
    return ledger.holders.held([])


def changed(value: object, rng: random.Random) -> object:
    """Another value: a byte flipped, cut, added to, of another type, or nothing."""
    if isinstance(value, int):
        return value + rng.choice([-1, 1, 1000])
    text = str(value or "x")
    place = rng.randrange(len(text))
    flipped = text[:place] + chr(ord(text[place]) ^ 1 << rng.randrange(5)) + text[place + 1 :]
    return rng.choice([flipped, flipped, text[:-1], text + " ", text.encode(), text.swapcase() + "'"])


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32), how=st.sampled_from(["edit", "edit", "edit", "delete", "swap", "insert"]))
def test_any_change_of_any_row_is_found_by_name(whole, tmp_path_factory, seed, how):
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("copy") / "ledger"
    shutil.copytree(whole, folder)
    table = _tamper(folder / "ledger.db", rng, how)
    if table is None:
        return
    with pytest.raises(LedgerError) as caught:
        ledger = Ledger.in_folder(folder)
        try:
            ledger.verify()
        finally:
            ledger.close()
    named = NAMES.get(table, INDEX) | {"artifact.key_wrong", "artifact.ledger_damaged"}
    assert caught.value.code in named


def _tamper(path, rng: random.Random, how: str) -> str | None:
    """Change one row; the table, or None where the database refused or nothing changed."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA foreign_keys = OFF")
    try:
        return _done(database, rng, how)
    except sqlite3.IntegrityError:
        return None
    finally:
        database.close()


def _done(database: sqlite3.Connection, rng: random.Random, how: str) -> str | None:
    table = rng.choice(TABLES)
    before = database.execute(f"SELECT * FROM {table}").fetchall()
    ids = [row[0] for row in database.execute(f"SELECT rowid FROM {table}")]
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    one, other = rng.choice(ids), rng.choice(ids)
    if how == "delete":
        database.execute(f"DELETE FROM {table} WHERE rowid = ?", [one])
    elif how == "insert":
        row = list(database.execute(f"SELECT * FROM {table} WHERE rowid = ?", [one]).fetchone())
        row[0] = changed(row[0], rng)
        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    else:
        column = rng.choice(columns)
        mine, theirs = (
            database.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", [each]).fetchone()[0]
            for each in (one, other)
        )
        value = theirs if how == "swap" else changed(mine, rng)
        database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", [value, one])
    return table if database.execute(f"SELECT * FROM {table}").fetchall() != before else None


@given(
    texts=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=4, max_size=4), key=st.binary()
)
def test_what_is_written_out_by_hand_is_what_was_signed(texts, key):
    kind, subject, actor, said = texts
    chain = Chain(key)
    row = chain.link(seq=1, prev=GENESIS, at="now", kind=kind, subject=subject, actor=actor, facts={"said": said})
    assert chain.signed(row)
    assert list(chain.check([row], after=0, prev=GENESIS)) == [row]
    forged = (*row[:2], subject + "x", *row[3:])
    with pytest.raises(LedgerError):
        list(chain.check([forged], after=0, prev=GENESIS))
