"""Another master key: every text stays readable, whenever it is killed, and what was erased stays erased."""

from __future__ import annotations

import os
import signal
import stat
import threading

import pytest

from seekloop.artifact.ledger import Ledger
from seekloop.artifact.payloads import subject_name
from seekloop.artifact.vault import Vault
from seekloop.artifact.wrapping import KeyCommand, KeyFile
from seekloop.system.errors import LedgerError
from tests.artifact.making import an_answer

PEOPLE = [subject_name("bank", "app", name) for name in ("ann", "bob", "eve")]
NEXT = "payload.key.next"


def filled(ledger):
    """Three people with an answer each, the last one erased."""
    ledger.record_answers([an_answer(n, content=f"text {n}", subject=who) for n, who in enumerate(PEOPLE)])
    ledger.erase_subject(PEOPLE[2], actor="dpo", reason="asked")


def texts(folder):
    """What a process that begins now reads."""
    ledger = Ledger.in_folder(folder)
    try:
        return [answer.content for answer in ledger.answers()]
    finally:
        ledger.close()


def rotations(ledger):
    return [(event.actor, event.facts["keys"], event.facts["reason"]) for event in ledger.events(kind=ROTATED)]


ROTATED = "payload_key.rotated"


def test_every_text_is_readable_under_the_new_key_and_an_event_says_so(ledger, tmp_path):
    filled(ledger)
    before = (tmp_path / "payload.key").read_bytes()
    assert ledger.rotate_payload_key(actor="ops", reason="a laptop was stolen") == 2
    assert texts(tmp_path) == ["text 0", "text 1"]
    assert rotations(ledger) == [("ops", 2, "a laptop was stolen")]
    assert (tmp_path / "payload.key").read_bytes() != before
    assert stat.S_IMODE((tmp_path / "payload.key").stat().st_mode) == 0o600
    assert not (tmp_path / NEXT).exists()
    assert ledger.verify() == len(list(ledger.events()))


def test_the_old_key_opens_nothing_any_more(ledger, tmp_path):
    filled(ledger)
    old = (tmp_path / "payload.key").read_bytes()
    ledger.rotate_payload_key(actor="ops", reason="test")
    (tmp_path / "payload.key").write_bytes(old)
    with pytest.raises(LedgerError) as locked:
        texts(tmp_path)
    assert locked.value.code == "artifact.payload_key_wrong"


def test_who_was_erased_stays_erased_and_can_be_erased_after(ledger, tmp_path):
    filled(ledger)
    ledger.rotate_payload_key(actor="ops", reason="test")
    assert ledger.erase_subject(PEOPLE[0], actor="dpo", reason="asked") == 1
    assert texts(tmp_path) == ["text 1"]
    assert ledger.rotate_payload_key(actor="ops", reason="test") == 1


def test_a_process_that_runs_through_it_reads_and_writes_on(ledger, tmp_path):
    other = Ledger.in_folder(tmp_path)
    filled(ledger)
    assert len(list(other.answers())) == 2
    ledger.rotate_payload_key(actor="ops", reason="test")
    other.record_answers(
        [an_answer(7, content="new", subject="new/one"), an_answer(8, content="old", subject=PEOPLE[0])]
    )
    other.close()
    assert texts(tmp_path) == ["text 0", "text 1", "new", "old"]


def test_answers_that_are_recorded_while_keys_are_rotated_all_stay_readable(ledger, tmp_path):
    other, stop = Ledger.in_folder(tmp_path), threading.Event()

    def record():
        number = 0
        while not stop.is_set():
            other.record_answers([an_answer(number, content="x", subject=f"t/{number}")])
            number += 1

    thread = threading.Thread(target=record)
    thread.start()
    try:
        for _ in range(10):
            ledger.rotate_payload_key(actor="ops", reason="test")
    finally:
        stop.set()
        thread.join()
    written = len(list(other.events(kind="answer.recorded")))
    other.close()
    assert len(texts(tmp_path)) == written > 0


class Stops(KeyFile):
    """Kills its process at the n-th thing that it does."""

    def __init__(self, path, *, at):
        super().__init__(path)
        self.left = at

    def _step(self):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def begin(self, *, shared):
        self._step()
        name = super().begin(shared=shared)
        self._step()
        return name

    def wrap(self, key, *, name):
        self._step()
        return super().wrap(key, name=name)

    def settle(self):
        self._step()
        super().settle()
        self._step()


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6])
def test_killed_in_the_middle_every_text_is_readable_and_the_next_run_ends_it(ledger, tmp_path, at):
    filled(ledger)
    ledger.close()
    pid = os.fork()
    if pid == 0:
        vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", Stops(tmp_path / "payload.key", at=at))
        vault.rewrap(lambda name, count: None)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert texts(tmp_path) == ["text 0", "text 1"]
    again = Ledger.in_folder(tmp_path)
    again.record_answers([an_answer(5, content="after", subject="new/one")])
    assert again.rotate_payload_key(actor="ops", reason="test") == 3
    assert rotations(again) == [("ops", 3, "test")]
    again.close()
    assert texts(tmp_path) == ["text 0", "text 1", "after"]
    assert not (tmp_path / NEXT).exists()


def test_a_rotation_whose_event_is_written_is_ended_without_another(ledger, tmp_path):
    filled(ledger)
    path = ledger.prepare_payload_key()
    key = path.read_bytes()
    ledger.rotate_payload_key(actor="ops", reason="test")
    path.write_bytes(key)  # as if it had been killed before the new file took the old one's place
    ledger.rotate_payload_key(actor="ops", reason="test")
    assert len(rotations(ledger)) == 1
    assert texts(tmp_path) == ["text 0", "text 1"]


def test_machines_that_share_a_vault_need_the_next_key_first(tmp_path):
    with pytest.raises(LedgerError) as refused:
        KeyFile(tmp_path / "payload.key").begin(shared=True)
    assert refused.value.code == "rotation.unprepared"


def test_another_machine_reads_with_the_key_that_was_copied_to_it(ledger, tmp_path):
    filled(ledger)
    here, there = tmp_path / "payload.key", tmp_path / "there"
    there.mkdir()
    for path in (here, ledger.prepare_payload_key()):
        (there / path.name).write_bytes(path.read_bytes())
    ledger.rotate_payload_key(actor="ops", reason="test")
    vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", KeyFile(there / "payload.key"))
    keys = [event.facts["key"] for event in ledger.events(kind="answer.recorded")]
    assert len(vault.open(keys)) == 2
    vault.rewrap(lambda name, count: None)
    vault.close()
    assert (there / "payload.key").read_bytes() == here.read_bytes()


def test_a_key_service_is_asked_to_wrap_every_key_again(tmp_path):
    program = tmp_path / "service.py"
    program.write_text("import sys; print(sys.stdin.readline().strip()[::-1])")
    vault = Vault(f"sqlite:///{tmp_path / 'vault.db'}", KeyCommand(f"python3 {program}"))
    (key,) = vault.current([["t", "t/a"]])
    told = []
    assert vault.rewrap(lambda name, count: told.append(count)) == 1
    vault.close()
    assert vault.open([key.id]) == {key.id: key.secret}
    assert told == [1]


def test_a_ledger_whose_texts_are_in_clear_has_no_key_to_rotate(tmp_path):
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'l.db'}", key=b"k" * 32)
    with pytest.raises(LedgerError) as refused:
        ledger.rotate_payload_key(actor="ops", reason="test")
    ledger.close()
    assert refused.value.code == "rotation.no_vault"
