"""The passport verbs from the shell: make one, check it with a key alone, and say what is wrong."""

from __future__ import annotations

import contextlib
import json

import pytest

from seekloop.app.main import app
from seekloop.artifact.context import RunContext
from seekloop.loop.project import Project
from seekloop.system.errors import ArtifactError, UsageError
from tests.artifact.making import one_turn


@pytest.fixture
def project(tmp_path):
    """A project in which one answer was given."""
    folder = tmp_path / "bank"
    Project.create(folder, {"domain": "bank"})
    with RunContext.in_folder(folder, seed=7) as ctx:
        one_turn(ctx)
    return folder


@pytest.fixture
def run(capsys):
    """Runs a verb; what it printed on standard output."""

    def run(*words):
        capsys.readouterr()
        with contextlib.suppress(SystemExit):
            app([str(word) for word in words], standalone_mode=False)
        return capsys.readouterr().out

    return run


@pytest.fixture
def files(project, run, tmp_path):
    """A passport, the public keys, and the opening."""
    told = run("passport", "ans_0000", "--out", tmp_path / "answer.json", "--json", "-p", project)
    run("passport", "key", "--out", tmp_path / "pub.pem", "-p", project)
    return tmp_path / "answer.json", tmp_path / "pub.pem", json.loads(told)["opening"]


def test_a_passport_is_checked_with_file_and_key_alone(run, files):
    told = json.loads(run("verify", files[0], "--key", files[1], "--json"))
    assert (told["verified"], told["answer"], len(told["hops"]), told["read"]) == (True, "ans_0000", 10, ["file"])


def test_with_a_project_store_and_ledger_are_read_too(run, files, project):
    told = json.loads(run("verify", files[0], "--key", files[1], "--store", project, "--json"))
    assert told["read"] == ["file", "store", "ledger"]
    bare = project / ".seekloop" / "store"
    assert json.loads(run("verify", files[0], "--key", files[1], "--store", bare, "--json"))["read"] == [
        "file",
        "store",
    ]


def test_the_text_is_shown_to_be_the_one_with_its_opening(run, files, tmp_path):
    said = tmp_path / "said.txt"
    said.write_text("答案 0")
    words = ["verify", files[0], "--key", files[1], "--text", said, "--json", "--opening"]
    assert json.loads(run(*words, files[2]))["text"]
    with pytest.raises(ArtifactError) as caught:
        run(*words, "0" * 64)
    assert caught.value.code == "passport.other_text"


def test_a_changed_file_is_refused(run, files):
    files[0].write_bytes(files[0].read_bytes().replace(b"payloadType", b"payloadtype"))
    with pytest.raises(ArtifactError) as caught:
        run("verify", files[0], "--key", files[1])
    assert caught.value.code == "passport.broken"


def test_a_file_without_a_key_says_what_is_missing(run, files):
    with pytest.raises(UsageError) as caught:
        run("verify", files[0])
    assert caught.value.code == "passport.key_wanted"


def test_a_file_that_is_not_there_is_a_sentence(run, files, tmp_path):
    with pytest.raises(UsageError) as caught:
        run("verify", tmp_path / "none.json", "--key", files[1])
    assert caught.value.code == "passport.unreadable"


def test_ids_are_verified_as_before(run, project):
    assert json.loads(run("verify", "ans_0000", "--json", "-p", project))["verified"]


@pytest.mark.parametrize(("language", "word"), [("en", "Passport of"), ("zh", "回答凭证")])
def test_a_page_for_people_is_printed(run, project, language, word):
    assert word in run("passport", "ans_0000", "--language", language, "-p", project)


def test_a_rotated_key_keeps_the_old_one_for_old_passports(run, files, project):
    run("passport", "key", "--rotate", "--out", files[1], "-p", project)
    assert files[1].read_text().count("BEGIN PUBLIC KEY") == 2
    assert json.loads(run("verify", files[0], "--key", files[1], "--json"))["verified"]
