"""The `audit` and `guard` verbs on a real project folder."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from seekloop.app.verbs import audit, guard
from seekloop.artifact.context import STATE
from seekloop.artifact.ledger import Answer, Ledger
from seekloop.artifact.payloads import subject_name
from seekloop.serve.guard.guard import SUSPECTED, guard_key
from seekloop.serve.guard.honey import Honey
from seekloop.serve.guard.spec import HoneyOptions
from seekloop.system.errors import DataError, LedgerError, UsageError


@pytest.fixture
def folder(tmp_path):
    """A folder with three answers."""
    ledger = Ledger.in_folder(tmp_path / STATE)
    facts = {"finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1, "first_token_ms": 1.0}
    ledger.record_answers(
        [
            Answer(
                id=f"ans_{n}",
                release="release:1",
                at=dt.datetime.now(dt.UTC).isoformat(),
                caller="app",
                messages=[{"role": "user", "content": f"question {n}"}],
                content=f"answer {n}",
                total_ms=2.0,
                subject=subject_name("bank", "app", f"user{n}"),
                **facts,
            )
            for n in range(3)
        ]
    )
    ledger.close()
    return tmp_path


def test_an_answer_is_shown_with_its_text_and_erased_without(folder, capsys):
    audit.show(identity="ans_1", folder=folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["text"]["content"] == "answer 1"
    audit.erase(subject="bank/app/user1", reason="asked", folder=folder)
    assert capsys.readouterr().out.startswith("1 texts of bank/app/user1")
    audit.show(identity="ans_1", folder=folder, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["text"], shown["event"]["facts"]["total_ms"]) == (None, 2.0)
    assert shown["locked"]
    audit.show(identity="ans_2", folder=folder, as_json=False)
    assert "answer 2" in capsys.readouterr().out


def test_an_answer_that_is_not_there_is_a_sentence(folder):
    with pytest.raises(LedgerError) as refused:
        audit.show(identity="ans_9", folder=folder, as_json=False)
    assert refused.value.code == "artifact.no_answer"


def test_an_export_is_written_and_checked(folder, capsys, tmp_path):
    out = tmp_path / "audit.jsonl"
    audit.export(first=None, last=None, out=out, texts=False, folder=folder)
    audit.check(file=out, folder=folder)
    assert "3 events, each as it was written" in capsys.readouterr().out
    out.write_text("".join(out.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(LedgerError) as refused:
        audit.check(file=out, folder=folder)
    assert refused.value.code == "artifact.export_changed"


def test_nothing_is_left_to_encrypt_in_a_new_ledger(folder, capsys):
    audit.encrypt(folder=folder)
    assert capsys.readouterr().out == "0 texts encrypted\n"


def test_too_little_traffic_is_no_baseline(folder):
    with pytest.raises(UsageError) as refused:
        guard.learn(days=30, least=50, folder=folder, as_json=False)
    assert refused.value.code == "guard.few_callers"


def test_what_was_decided_is_shown_and_lifted(folder, capsys):
    ledger = Ledger.in_folder(folder / STATE)
    ledger.note(SUSPECTED, "bank/app", facts={"score": 7.0}, actor="guard")
    ledger.close()
    guard.status(folder=folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["now"] == {"bank/app": SUSPECTED}
    guard.lift(key="bank/app", reason="ours", folder=folder)
    guard.status(folder=folder, as_json=False)
    assert "lifted" in capsys.readouterr().out


def test_a_honeytoken_is_found_in_what_another_model_said(folder, capsys, tmp_path):
    ledger = Ledger.in_folder(folder / STATE)
    ledger.close()
    suspect = tmp_path / "suspect.jsonl"
    token = Honey(HoneyOptions(), secret=guard_key(folder / STATE)).token("bank/app", "release:1")
    suspect.write_text(json.dumps({"content": f"It is on its way. Ref. {token}"}) + "\nplain text\n")
    guard.check(file=suspect, folder=folder, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["texts"], found["watermark"]) == (2, None)
    assert found["tokens"] == [{"key": "bank/app", "release": "release:1", "texts": 1}]


@pytest.mark.parametrize(("text", "code"), [("", "guard.no_answers"), ('{"a": 1}\n', "guard.no_text")])
def test_a_file_without_texts_is_a_sentence(folder, tmp_path, text, code):
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises((UsageError, DataError)) as refused:
        guard.check(file=tmp_path / "x.jsonl", folder=folder, as_json=False)
    assert refused.value.code == code
