"""`seekloop plan` and `doctor` as people call them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekloop import data
from seekloop.app.main import app
from seekloop.loop.adviser import seconds_of
from seekloop.loop.project import Project
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import SeekloopError, UsageError


def call(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(done.exception, SeekloopError), done.output
    return done.exception.code


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on the tiny base whose data stage is done."""
    folder = tmp_path_factory.mktemp("planned")
    text = resources.files("seekloop.data").joinpath("sample", "messages.jsonl").read_text("utf-8")
    (folder / "rows.jsonl").write_text("".join(text.splitlines(keepends=True)[:60]), "utf-8")
    spec = {"domain": "bank", "base": "tiny:smollm2", "data": {"sources": [{"path": "rows.jsonl"}]}}
    Project.create(folder, {**spec, "tune": {"max_steps": 6, "method": {"rank": 4}}})
    with Project.open(folder).context() as ctx:
        data.run(data.DataSpec.parse(spec["data"]), data.DataInputs(), ctx=ctx)
        tiny_base(ctx)
    return folder


def test_a_base_alone_is_advised_before_there_is_any_data():
    advice = json.loads(
        call("plan", "--base", "deepseek-67b", "--hardware", "A100 80GB x8", "--assume", "rows=2000", "--json")
    )
    assert advice["advice"]["chosen"] == "lora"
    numbers = next(one["numbers"] for one in advice["advice"]["candidates"] if one["method"] == "lora")
    assert all(one["formula"] for one in numbers)
    assert any(note.startswith("assumed: 200 tokens a row") for note in advice["advice"]["notes"])


def test_the_table_says_what_does_not_fit_and_why():
    text = " ".join(call("plan", "--base", "deepseek-v3", "--hardware", "RTX 4090").split())
    assert "nothing fits" in text and "sharded, would hold it" in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--base", "nobody-knows"], "model.size_unknown"),
        (["--base", "deepseek-7b", "--hardware", "abacus"], "loop.unknown_device"),
        (["--base", "deepseek-7b", "--deadline", "soon"], "loop.bad_duration"),
        (["--base", "deepseek-7b", "--assume", "task=dance"], "system.spec_bad_value"),
        (["--project", "/nowhere"], "loop.no_project"),
    ],
)
def test_what_cannot_be_planned_says_why(words, code):
    assert refused("plan", *words) == code


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("1.5d", 129600)])
def test_lengths_of_time(text, seconds):
    assert seconds_of(text) == seconds
    with pytest.raises(UsageError):
        seconds_of(f"-{text}")


def test_a_project_without_data_is_planned_and_cannot_be_probed(tmp_path):
    Project.create(tmp_path, {"domain": "x", "base": "deepseek-7b"})
    assert json.loads(call("plan", "-p", tmp_path, "--json"))["steps"][1]["memory_mib"] is None
    assert refused("plan", "-p", tmp_path, "--probe") == "loop.nothing_to_probe"


def test_a_project_is_planned_with_its_own_rows_and_probed(project):
    found = json.loads(call("plan", "-p", project, "--probe", "--json"))
    step = found["steps"][1]
    assert step["memory_mib"] > 100 and step["seconds"] > 0 and "activations" in step["formula"]
    assert len(found["probe"]["step_s"]) == 3
    assert not any(note.startswith("assumed: 200") for note in found["advice"]["notes"])


def test_the_doctor_grades_a_run_and_gates(project, tmp_path):
    with Project.open(project).context() as ctx:
        ids = [ctx.ledger.artifacts(kind)[-1].id for kind in ("dataset", "checkpoint")]
    (tmp_path / "tune.yaml").write_text("max_steps: 4\n", "utf-8")
    sources = [word for one in ids for word in ("--from", one)]
    words = ["doctor", tmp_path / "tune.yaml", *sources, "-p", project, "--html", tmp_path / "masks.html"]
    found = json.loads(call(*words, "--json"))
    assert found["grade"] in ("OK", "MINOR")
    assert 'class="on"' in (tmp_path / "masks.html").read_text("utf-8")
    assert "⟦" in call(*words, "--masks", 1)
    done = CliRunner().invoke(app, [str(word) for word in [*words, "--set", "max_length=8"]])
    assert done.exit_code == 3
