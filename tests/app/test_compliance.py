"""`seekloop evidence`, `card` and `sbom`, as people call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.loop.project import Project
from seekloop.system.errors import ArtifactError, UsageError
from tests.artifact.making import one_turn


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = Project.create(tmp_path / "bank", {"domain": "bank", "base": "tiny:smollm2"})
    with made.context() as ctx:
        one_turn(ctx)
    return made.folder


def run(*words: str | Path):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_evidence_is_written_says_that_it_certifies_nothing_and_checks(project, tmp_path):
    shown = run("evidence", "--out", tmp_path / "evidence", "-p", project)
    assert "only an accredited body certifies" in shown.stdout
    keys = tmp_path / "keys.pem"
    assert run("passport", "key", "--out", keys, "-p", project).exit_code == 0
    for path in (tmp_path / "evidence", tmp_path / "evidence.zip"):
        assert "the ledger has its event" in run("evidence", "check", path, "-p", project).stdout
        found = json.loads(run("evidence", "check", path, "--key", keys, "-p", tmp_path, "--json").stdout)
        assert (found["verified"], found["own_key"], found["recorded"]) == (True, False, None)


def test_a_changed_byte_is_named(project, tmp_path):
    run("evidence", "--out", tmp_path / "evidence", "-p", project)
    (tmp_path / "evidence" / "index.md").write_text("certified", "utf-8")
    shown = run("evidence", "check", tmp_path / "evidence", "-p", project)
    assert isinstance(shown.exception, ArtifactError)
    assert shown.exception.facts["file"] == "index.md"


@pytest.mark.parametrize("words", [[], ["check"], ["chekc", "x"]])
def test_a_half_said_command_is_a_sentence(project, words):
    shown = run("evidence", *words, "-p", project)
    assert isinstance(shown.exception, UsageError)
    assert shown.exception.code == "compliance.what"


def test_a_card_is_printed_and_written(project, tmp_path):
    with Project.open(project).context() as ctx:
        release = ctx.ledger.alias("production").target
    shown = run("card", release, "--language", "zh", "-p", project)
    assert "# 模型卡" in shown.stdout
    assert run("card", release, "--language", "zh", "--out", tmp_path / "README.md", "-p", project).exit_code == 0
    assert (tmp_path / "README.md").read_text("utf-8") == shown.stdout


def test_a_bill_of_materials_is_printed_with_and_without_a_release(project, tmp_path):
    with Project.open(project).context() as ctx:
        release = ctx.ledger.alias("production").target
    plain = json.loads(run("sbom").stdout)
    assert run("sbom", "--release", release, "--out", tmp_path / "bom.json", "-p", project).exit_code == 0
    whole = json.loads((tmp_path / "bom.json").read_text("utf-8"))
    assert plain["metadata"]["component"]["name"] == "seekloop"
    assert len(whole["components"]) == len(plain["components"]) + 7
