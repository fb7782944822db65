"""`seekloop mine` on a project that was walked: from the ledger to figures, a page, and the review queue."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.system.errors import SeekloopError


@pytest.fixture
def folder(walked, tmp_path):
    """A copy of the walked project, which may be changed."""
    return shutil.copytree(walked.project.folder, tmp_path / "project")


def call(folder, *words):
    result = CliRunner().invoke(app, [*map(str, words), "-p", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_window_is_mined_written_and_queued_once(folder, tmp_path):
    words = ["mine", "--after", "2000-01-01", "--set", "learn.mining.budget=5", "--json"]
    found = json.loads(call(folder, *words, "--queue", "--out", tmp_path / "window.html"))
    assert found["errors"]["answers"] > 20 and found["errors"]["judged"] and found["drift"]["features"]
    assert len(found["queue"]) == 5
    assert "漂移" in (tmp_path / "window.html").read_text("utf-8")
    queued = [one["answer"] for one in json.loads(call(folder, "review", "list", "--json"))["cases"]]
    assert queued == [one["answer"] for one in found["queue"]]
    again = json.loads(call(folder, *words))
    assert not {one["answer"] for one in again["queue"]} & set(queued)
    assert again["drift"] == found["drift"]


def test_a_window_is_compared_with_the_one_before(folder):
    shown = call(folder, "mine", "--before", "2000-01-01", "--after", "2001-01-01")
    assert "drift" in shown and "new intents" in shown


def test_a_file_of_another_kind_is_refused(folder, tmp_path):
    with pytest.raises(SeekloopError) as caught:
        CliRunner().invoke(app, ["mine", "--out", str(tmp_path / "x.pdf"), "-p", str(folder)], catch_exceptions=False)
    assert caught.value.code == "mining.out"
