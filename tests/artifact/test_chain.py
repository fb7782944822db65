"""Whatever is done to the database behind the ledger's back is found, and the place is named."""

from __future__ import annotations

import json
import random

import pytest

from seekloop.artifact.chain import Chain
from seekloop.artifact.ledger import Ledger
from seekloop.system.errors import LedgerError
from tests.artifact.making import RECEIPT, a_feedback, an_answer, corpus

COLUMNS = ("kind", "subject", "at", "actor", "facts", "prev", "mac")


@pytest.fixture
def filled(both):
    """Nine events of all kinds; the answer is event 4, feedback 6, erasure 8."""
    both.record_artifact(corpus(parents={"a": "corpus:1"}), RECEIPT, actor="li")
    both.move_alias("production", "release:1", expected_version=0, actor="li", reason="first")
    both.record_step(run="r", name="data", key="k", outputs={}, actor="li")
    both.record_answers([an_answer(0), an_answer(1)])
    both.record_feedback(a_feedback())
    both.note("tick", "a", facts={}, actor="li")
    both.erase("ans_0001", actor="dpo", reason="asked")
    both.note("tick", "b", facts={}, actor="li")
    assert both.verify() == 9
    return both


def broken(ledger) -> tuple[str, int]:
    """Code and event number of what `verify` finds."""
    with pytest.raises(LedgerError) as caught:
        ledger.verify()
    assert str(caught.value.facts["seq"]) in caught.value.sentence("en")
    return caught.value.code, caught.value.facts["seq"]


@pytest.mark.parametrize("column", COLUMNS)
def test_an_edited_event_is_named(filled, tamper, column):
    assert tamper(f"UPDATE event SET {column} = {column} || ' ' WHERE seq = 5") == 1
    assert broken(filled) == ("artifact.chain_broken", 5)


def test_facts_written_in_another_way_are_an_edit(filled, tamper):
    tamper("""UPDATE event SET facts = replace(facts, ':', ': ') WHERE seq = 2""")
    assert broken(filled) == ("artifact.chain_broken", 2)


def test_a_deleted_event_is_named(filled, tamper):
    tamper("DELETE FROM event WHERE seq = 7")
    assert broken(filled) == ("artifact.chain_gap", 7)


def test_a_deleted_event_is_named_even_if_the_rest_is_renumbered(filled, tamper):
    tamper("DELETE FROM event WHERE seq = 7")
    for seq in (8, 9):
        tamper(f"UPDATE event SET seq = {seq - 1} WHERE seq = {seq}")
    assert broken(filled) == ("artifact.chain_broken", 7)


def test_two_events_that_changed_places_are_named(filled, tamper):
    for old, new in ((7, 70), (9, 7), (70, 9)):
        tamper(f"UPDATE event SET seq = {new} WHERE seq = {old}")
    assert broken(filled) == ("artifact.chain_broken", 7)


def test_an_inserted_event_is_named(filled, tamper):
    tamper("UPDATE event SET seq = 10 WHERE seq = 9")
    tamper("INSERT INTO event SELECT 9, kind, subject, at, actor, facts, prev, mac FROM event WHERE seq = 7")
    assert broken(filled) == ("artifact.chain_broken", 9)


def test_an_event_that_was_signed_with_another_key_is_named(filled, tamper):
    *_, last = filled.events()
    row = Chain(b"m" * 32).link(seq=10, prev=last.mac, at=last.at, kind="tick", subject="c", actor="mallory", facts={})
    values = ", ".join(str(value) if isinstance(value, int) else f"'{value}'" for value in row)
    tamper(f"INSERT INTO event VALUES ({values})")
    assert broken(filled) == ("artifact.chain_broken", 10)


@pytest.mark.parametrize("kept", [0, 3, 8])
def test_a_cut_tail_is_found_by_its_anchor(filled, tamper, kept):
    filled.anchor()
    for table in ("artifact_parent", "artifact", "alias_move", "step", "feedback", "answer", "erasure", "event"):
        tamper(f"DELETE FROM {table} WHERE seq > {kept}")
    if kept < 4:
        tamper("DELETE FROM payload")
    assert broken(filled) == ("artifact.chain_cut", kept + 1)


def test_a_cut_tail_that_was_written_again_differs_from_its_anchor(filled, tamper, clock):
    filled.anchor()
    tamper("DELETE FROM event WHERE seq = 9")
    clock.advance(60)
    filled.note("tick", "b", facts={}, actor="li")
    filled.anchor()
    assert broken(filled) == ("artifact.chain_broken", 9)


def test_closing_leaves_an_anchor_at_the_head(filled, tamper, open_ledger):
    filled.close()
    tamper("DELETE FROM event WHERE seq = 9")
    assert broken(open_ledger()) == ("artifact.chain_cut", 9)


def test_an_edited_anchor_is_named_by_its_line(filled, tmp_path):
    filled.anchor()
    filled.anchor()
    path = tmp_path / "anchors.jsonl"
    first, second = path.read_text().splitlines()
    path.write_text(first + "\n" + json.dumps({**json.loads(second), "seq": 1}) + "\n")
    with pytest.raises(LedgerError) as caught:
        filled.verify()
    assert (caught.value.code, caught.value.facts["where"]) == ("artifact.anchor_changed", f"{path}:2")


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[]\n", b"\xff\n", b'{"seq":1,"mac":"","at":"","signature":1}\n'])
def test_a_line_that_is_no_anchor_is_named(filled, tmp_path, line):
    (tmp_path / "anchors.jsonl").write_bytes(line)
    with pytest.raises(LedgerError) as caught:
        filled.verify()
    assert caught.value.code == "artifact.anchor_changed"


def test_half_an_anchor_that_a_crash_left_is_neither_believed_nor_glued_to_the_next(filled, tmp_path):
    filled.anchor()
    path = tmp_path / "anchors.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert filled.verify() == 9
    filled.anchor()
    assert path.read_bytes() == whole * 2
    assert filled.verify() == 9


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE alias_move SET target = 'release:evil'", 2),
        ("DELETE FROM alias_move", 2),
        ("UPDATE answer SET release = 'release:evil' WHERE seq = 4", 4),
        ("UPDATE feedback SET answer = 'ans_0001'", 6),
        ("UPDATE artifact_parent SET parent = 'corpus:2'", 1),
        ("UPDATE step SET key = 'other'", 3),
        ("DELETE FROM erasure", 8),
        ("INSERT INTO alias_move VALUES ('production', 2, 'release:evil', 7)", 7),
    ],
)
def test_an_index_row_that_does_not_say_what_its_event_says_is_named(filled, tamper, statement, seq):
    assert tamper(statement) == 1
    assert broken(filled) == ("artifact.index_changed", seq)
    filled.rebuild()
    assert filled.verify() == 9


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO payload VALUES ('sha256:0', '{}', NULL)",
        "INSERT INTO alias_move VALUES ('production', 2, 'release:evil', 77)",
    ],
)
def test_a_row_that_no_event_accounts_for_is_found(filled, tamper, statement):
    tamper(statement)
    with pytest.raises(LedgerError) as caught:
        filled.verify()
    assert caught.value.code == "artifact.stray_rows"


def test_a_changed_text_is_named_and_never_given_out(filled, tamper):
    tamper("UPDATE payload SET body = body || 'A'")
    assert broken(filled) == ("artifact.payload_changed", 4)
    with pytest.raises(LedgerError) as caught:
        filled.answer("ans_0000")
    assert caught.value.facts["subject"] == "ans_0000"


def test_a_text_that_is_gone_without_an_erasure_is_named(filled, tamper):
    tamper("DELETE FROM payload")
    assert broken(filled) == ("artifact.payload_missing", 4)


def test_any_flipped_bit_of_the_database_file_is_found_or_changes_nothing(ledger, tmp_path):
    for number in range(20):
        ledger.record_answers([an_answer(number)])
        ledger.move_alias("production", f"release:{number}", expected_version=number, actor="li", reason="r")
    ledger.close()
    whole, told, rng = (tmp_path / "ledger.db").read_bytes(), everything(tmp_path), random.Random(7)
    found = 0
    for _ in range(100):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (tmp_path / "ledger.db").write_bytes(data)
        try:
            assert everything(tmp_path) == told
        except LedgerError:
            found += 1
    assert found > 10


def everything(folder):
    """What a verified ledger says."""
    ledger = Ledger.in_folder(folder)
    try:
        return ledger.verify(), ledger.alias_history("production"), ledger.answers()
    finally:
        ledger.close()
