"""Texts are encrypted under keys that are not in the database; destroying a key destroys every text under it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.payloads import subject_name
from seekloop.artifact.vault import Vault
from seekloop.artifact.wrapping import KeyCommand, KeyFile
from seekloop.system.errors import LedgerError
from tests.artifact.making import a_feedback, an_answer

ANN, BOB = subject_name("bank", "app", "ann"), subject_name("bank", "app", "bob")
SECRET = "身份证 110101199003077758"


def code_of(action) -> str:
    with pytest.raises(LedgerError) as caught:
        action()
    assert caught.value.hint("en") and caught.value.hint("zh")
    return caught.value.code


def bytes_in(folder: Path) -> bytes:
    """Everything in the files of a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file())


def reopened(folder: Path, copy: Path, *, without: tuple[str, ...] = ()) -> Ledger:
    """A ledger in a copy of the folder, some files left out."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*without))
    return Ledger.in_folder(copy)


def test_no_file_of_a_project_holds_a_text_or_a_name_in_clear(ledger, tmp_path):
    ledger.record_answers([an_answer(content=SECRET, subject=ANN)])
    ledger.record_feedback(a_feedback(comment="110101 is mine"))
    assert ledger.answer("ans_0000").content == SECRET
    ledger.close()
    for found in ("110101", "ann", SECRET):
        assert found.encode() not in bytes_in(tmp_path)


def test_both_secret_files_are_their_owners_alone(ledger, tmp_path):
    ledger.record_answers([an_answer()])
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("vault.db", "payload.key")} == {0o600}


def test_an_answer_knows_whose_it_is(both):
    both.record_answers([an_answer(subject=ANN)])
    assert both.answer("ans_0000").subject == ANN


def test_the_same_text_is_another_ciphertext_each_time(both, tamper):
    both.record_answers([an_answer(n, content="a", messages=[], subject=ANN) for n in range(3)])
    assert len({event.facts["payload"] for event in both.events()}) == 3
    assert len({event.facts["key"] for event in both.events()}) == 1


def test_erasing_a_subject_takes_every_text_of_theirs_and_nobody_elses(both):
    both.record_answers([an_answer(0, subject=ANN), an_answer(1, subject=BOB), an_answer(2, subject=ANN)])
    both.record_feedback(a_feedback(comment="she is right"))
    assert both.erase_subject(ANN, actor="dpo", reason="asked") == 3
    assert [answer.id for answer in both.answers()] == ["ans_0001"]
    assert both.feedback() == []
    assert code_of(lambda: both.answer("ans_0000")) == "artifact.erased"
    assert both.answered("ans_0000").facts["completion_tokens"] == 7
    assert both.verify() == 5
    both.rebuild()
    assert both.verify() == 5


def test_erasing_a_tenant_takes_all_callers_of_it(both):
    other = subject_name("shop", "app")
    both.record_answers([an_answer(0, subject=ANN), an_answer(1, subject=BOB), an_answer(2, subject=other)])
    assert both.erase_subject("bank", actor="dpo", reason="left") == 2
    assert [answer.id for answer in both.answers()] == ["ans_0002"]


def test_a_slash_in_a_name_makes_no_other_subject(both):
    both.record_answers([an_answer(subject=subject_name("bank", "app", "ann/b"))])
    assert both.erase_subject(ANN, actor="dpo", reason="asked") == 0
    assert len(both.answers()) == 1


def test_erasing_twice_is_one_event(both):
    both.record_answers([an_answer(subject=ANN)])
    both.erase_subject(ANN, actor="dpo", reason="asked")
    assert both.erase_subject(ANN, actor="dpo", reason="asked again") == 0
    assert both.verify() == 2


def test_the_event_of_an_erasure_does_not_name_the_person(both):
    both.record_answers([an_answer(subject=ANN)])
    both.erase_subject(ANN, actor="dpo", reason="asked")
    *_, event = both.events()
    assert event.kind == "subject.erased"
    assert event.subject.startswith("subject:") and "ann" not in str(event)


def test_an_erased_subject_is_gone_from_a_copy_of_the_database_of_before(ledger, tmp_path, tmp_path_factory):
    ledger.record_answers([an_answer(content=SECRET, subject=ANN), an_answer(1, subject=BOB)])
    ledger.anchor()
    backup = tmp_path_factory.mktemp("backup") / "ledger.db"
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as live, sqlite3.connect(backup) as copy:
        live.backup(copy)
    ledger.erase_subject(ANN, actor="dpo", reason="asked")
    ledger.close()
    shutil.copy(backup, tmp_path / "ledger.db")
    (tmp_path / "anchors.jsonl").unlink()
    restored = Ledger.in_folder(tmp_path)
    assert code_of(lambda: restored.answer("ans_0000")) == "artifact.erased"
    assert [answer.id for answer in restored.answers()] == ["ans_0001"]
    assert restored.verify() == 2
    restored.close()


def test_a_destroyed_key_leaves_no_byte_in_the_vaults_file(ledger, tmp_path):
    ledger.record_answers([an_answer(subject=ANN)])
    vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", KeyFile(tmp_path / "payload.key"))
    with sqlite3.connect(tmp_path / "vault.db") as database:
        ((wrapped,),) = database.execute("SELECT wrapped FROM data_key").fetchall()
    ledger.erase_subject(ANN, actor="dpo", reason="asked")
    ledger.close()
    vault.close()
    assert wrapped.encode() not in bytes_in(tmp_path)


def test_whoever_comes_again_after_an_erasure_gets_a_new_key(both, open_ledger):
    both.record_answers([an_answer(0, subject=ANN)])
    other = open_ledger()
    other.record_answers([an_answer(1, subject=ANN)])
    both.erase_subject(ANN, actor="dpo", reason="asked")
    other.record_answers([an_answer(2, subject=ANN)])  # it remembers the key that is gone
    both.record_answers([an_answer(3, subject=ANN)])
    assert [answer.id for answer in both.answers()] == ["ans_0002", "ans_0003"]
    assert both.verify() == 5


def test_an_erasure_that_died_before_the_key_was_destroyed_is_finished_by_the_next(ledger, tmp_path):
    ledger.record_answers([an_answer(0, subject=ANN), an_answer(1, subject=BOB)])
    vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", KeyFile(tmp_path / "payload.key"))
    with contextlib.closing(sqlite3.connect(tmp_path / "vault.db")) as database:
        before = database.execute("SELECT id, wrapped FROM data_key").fetchall()
        ledger.erase_subject(ANN, actor="dpo", reason="asked")
        for identity, wrapped in before:
            database.execute("UPDATE data_key SET wrapped = ? WHERE id = ?", (wrapped, identity))
        database.commit()
    assert len(vault.doomed()) == 1
    ledger.erase_subject("nobody", actor="dpo", reason="asked")
    assert vault.doomed() == []
    vault.close()


@pytest.mark.parametrize(
    ("lost", "code"),
    [
        (("payload.key",), "artifact.payload_key_missing"),
        (("vault.db*",), "artifact.payload_locked"),
        (("payload.key", "vault.db*"), "artifact.payload_locked"),
    ],
)
def test_without_the_keys_texts_are_locked_and_figures_and_chain_are_not(
    ledger, tmp_path_factory, tmp_path, lost, code
):
    ledger.record_answers([an_answer(subject=ANN)])
    ledger.close()
    locked = reopened(tmp_path, tmp_path_factory.mktemp("copies") / "one", without=lost)
    assert code_of(locked.answers) == code
    assert locked.answered("ans_0000").facts["total_ms"] == 20.0
    assert locked.verify() == 1
    locked.close()


def test_with_another_projects_key_file_nothing_is_read_or_written(ledger, tmp_path):
    ledger.record_answers([an_answer(subject=ANN)])
    ledger.close()
    (tmp_path / "payload.key").write_text("6b" * 32)
    swapped = Ledger.in_folder(tmp_path)
    assert code_of(swapped.answers) == "artifact.payload_key_wrong"
    assert code_of(lambda: swapped.record_answers([an_answer(1, subject=ANN)])) == "artifact.payload_key_wrong"
    assert swapped.verify() == 1
    swapped.close()


def test_texts_that_changed_places_are_named(both, tamper):
    both.record_answers([an_answer(0, subject=ANN), an_answer(1, subject=ANN)])
    first, second = (event.facts["payload"] for event in both.events())
    for old, new in ((first, "x"), (second, first), ("x", second)):
        tamper(f"UPDATE payload SET digest = '{new}' WHERE digest = '{old}'")
    assert code_of(both.verify) == "artifact.payload_changed"
    assert code_of(lambda: both.answer("ans_0000")) == "artifact.payload_changed"


def test_a_text_under_another_key_than_its_row_says_is_named(both, tamper):
    both.record_answers([an_answer(0, subject=ANN), an_answer(1, subject=BOB)])
    tamper("UPDATE payload SET key = (SELECT max(key) FROM payload)")
    assert code_of(both.verify) == "artifact.payload_changed"


@pytest.fixture
def old(database, both, tmp_path):
    """A ledger whose texts were recorded before there were keys, opened with a vault."""
    plain = Ledger.open(database, key=b"k" * 32)
    plain.record_answers([an_answer(0, content=SECRET), an_answer(1)])
    plain.record_feedback(a_feedback(comment="说得对"))
    plain.close()
    return both


def test_an_old_ledger_is_read_goes_on_and_is_encrypted_when_asked(old, tamper):
    assert [answer.content for answer in old.answers()] == [SECRET, "答案 1"]
    old.record_answers([an_answer(2)])
    assert tamper("UPDATE payload SET body = body WHERE key IS NULL") == 3
    assert old.encrypt(actor="li") == 3
    assert tamper("UPDATE payload SET body = body WHERE key IS NULL OR body LIKE '%salt%'") == 0
    assert [answer.content for answer in old.answers()] == [SECRET, "答案 1", "答案 2"]
    assert old.feedback()[0].comment == "说得对"
    assert old.verify() == 5
    assert old.encrypt(actor="li") == 0


def test_a_text_of_an_old_ledger_that_was_encrypted_and_changed_is_named(old, tamper):
    old.encrypt(actor="li")
    tamper("UPDATE payload SET body = (SELECT max(body) FROM payload), key = (SELECT max(key) FROM payload)")
    assert code_of(old.verify) == "artifact.payload_changed"


def test_erasing_a_caller_of_an_old_ledger_takes_what_stood_in_clear(old):
    assert old.erase_subject(subject_name("local", "key-1"), actor="dpo", reason="asked") == 3
    assert old.answers() == []
    assert old.feedback() == []
    old.rebuild()
    assert old.verify() == 8


def test_keys_may_be_wrapped_by_a_program_in_front_of_a_key_service(tmp_path):
    program = tmp_path / "kms.py"
    program.write_text(
        "import sys; verb, name = sys.argv[1:]; text = sys.stdin.read().strip()\n"
        "print(name + '!' + text[::-1] if verb == 'wrap' else text.removeprefix(name + '!')[::-1])\n"
    )
    for _ in range(2):
        vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", KeyCommand(f"{sys.executable} {program}"))
        ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", key=b"k" * 32, vault=vault)
        ledger.record_answers([an_answer(subject=ANN)])
        assert ledger.answer("ans_0000").subject == ANN
        ledger.close()
    assert not (tmp_path / "payload.key").exists()


def test_a_key_command_that_fails_is_a_sentence_without_its_words(tmp_path):
    vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", KeyCommand("false"))
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", key=b"k" * 32, vault=vault)
    assert code_of(lambda: ledger.record_answers([an_answer()])) == "artifact.key_command"
    assert ledger.verify() == 0
    ledger.close()


def test_many_subjects_are_recorded_and_erased_together(both):
    both.record_answers([an_answer(n, subject=subject_name("bank", "app", str(n))) for n in range(700)])
    both.record_answers([an_answer(n, subject=subject_name("bank", "app", str(n % 7))) for n in range(700, 720)])
    assert len(both.answers()) == both.verify() == 720
    assert both.erase_subject("bank/app", actor="dpo", reason="left") == 720


def test_the_log_of_answers_refuses_to_erase_subjects_without_a_vault(tmp_path):
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", key=b"k" * 32)
    with pytest.raises(ValueError, match="vault"):
        ledger.erase_subject(ANN, actor="dpo", reason="asked")
    ledger.close()
