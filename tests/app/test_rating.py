"""The `rate` verbs, from two real reports to one that people and a judge made."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from seekloop.app.main import app
from seekloop.artifact.context import RunContext
from seekloop.artifact.lineage import verify
from seekloop.system import settings
from seekloop.system.errors import SeekloopError
from tests.data.teacher_stub import serving
from tests.evaluate.human.making import checkpoint, dataset_of, report, row
from tests.evaluate.human.saying import NAMES


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the reports of two random models on the same rows."""
    folder = tmp_path_factory.mktemp("rating")
    rows = [row(f"Where is order {n}?", None, f"Order {n} is here.", line=n) for n in range(1, 11)]
    with RunContext.in_folder(folder) as ctx:
        given = {"subject": checkpoint(ctx), "dataset": dataset_of(ctx, rows)}
        answers = (lambda one: "It is here.", lambda one: "I do not know.")
        return folder, [report(ctx, rows, answer, **given).id for answer in answers]


def call(folder, *words):
    """Run a verb; the last line of its stdout."""
    result = CliRunner().invoke(app, [*map(str, words), "-p", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.strip().splitlines()[-1]


def test_sheets_go_out_and_come_back_as_a_report(project, tmp_path):
    folder, reports = project
    call(folder, "rate", "new", "tone", *reports, "--rater", "ann,bob", "--ask", "both", "--limit", "4")
    call(folder, "rate", "export", "tone", tmp_path / "ann.csv", "--rater", "ann")
    with (tmp_path / "ann.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        line |= {"choice": "tie"} if line["kind"] == "prefer" else dict.fromkeys(NAMES, "3")
    with (tmp_path / "ann.csv").open("w", encoding="utf-8", newline="") as file:
        sheet = csv.DictWriter(file, list(lines[0]))
        sheet.writeheader()
        sheet.writerows(lines)
    call(folder, "rate", "import", "tone", tmp_path / "ann.csv")
    status = CliRunner().invoke(app, ["rate", "status", "tone", "--json", "-p", str(folder)])
    assert json.loads(status.stdout)["raters"] == {"ann": 12, "bob": 0}
    report = call(folder, "rate", "close", "tone")
    shown = CliRunner().invoke(app, ["rate", "close", "tone", "--json", "-p", str(folder)])
    found = json.loads(shown.stdout)
    assert (found["id"], found["engine"]) == (report, "human")
    assert {one["name"]: one["value"] for one in found["figures"]}["human_win_rate"] == 0.5
    with RunContext.in_folder(folder) as ctx:
        hops = {hop.id for hop in verify(report, store=ctx.store, ledger=ctx.ledger).hops}
    assert hops >= set(reports)


def test_a_judge_is_asked_from_the_command_line(project, tmp_path):
    folder, reports = project
    call(folder, "rate", "new", "judged", *reports, "--rater", "ann")
    with serving(lambda body, number: '{"better": "tie"}') as stub:
        (tmp_path / "judge.yaml").write_text(f"endpoint: {{url: '{stub.url}', model: stub-1}}\n", "utf-8")
        call(folder, "rate", "judge", "judged", tmp_path / "judge.yaml", "--set", "budget.requests=10")
    assert len(stub.requests) == 10
    assert call(folder, "rate", "close", "judged").startswith("report:")


def test_the_page_is_served_with_a_link_a_rater_until_it_is_interrupted(project):
    folder, reports = project
    call(folder, "rate", "new", "page", reports[0], "--rater", "ann", "--rater", "bob", "--limit", "2")
    command = [Path(sys.executable).with_name("seekloop"), "rate", "serve", "page", "--port", "0", "-p", folder]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": settings.child_environment()}
    with subprocess.Popen([str(one) for one in command], **quiet) as server:
        links = dict(server.stdout.readline().strip().split(": ", 1) for _ in range(2))
        assert httpx2.post(f"{links['ann']}/tasks/0", json={"skipped": True}).json()["done"] == 1
        assert httpx2.get(f"{links['bob']}/state").json()["done"] == 0
        server.send_signal(signal.SIGINT)
        assert "Traceback" not in server.stderr.read()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/r/[0-9a-f]{32}", links["ann"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["new", "x", "REPORT", "--rater", "ann", "--ask", "everything"], "human.choice"),
        (["new", "x", "REPORT", "--rater", "ann", "--ask", "prefer"], "system.spec_bad_value"),
        (["new", "x", "REPORT"], "system.spec_bad_value"),
        (["new", "../x", "REPORT", "--rater", "ann"], "system.spec_bad_value"),
        (["new", "x", "report:0000", "--rater", "ann"], "artifact.not_found"),
        (["export", "nothing", "out.csv"], "human.no_study"),
        (["export", "page", "out.csv", "--rater", "eve"], "human.no_rater"),
        (["export", "page", "out.csv", "--format", "xls"], "human.choice"),
        (["import", "page", "nothing.csv"], "human.no_file"),
        (["close", "page"], "human.nothing_said"),
        (["serve", "page", "--port", "1", "--host", "256.0.0.1"], "human.cannot_listen"),
    ],
)
def test_a_mistake_is_named(project, words, code):
    folder, reports = project
    call(folder, "rate", "new", "page", reports[0], "--rater", "ann", "--rater", "bob", "--limit", "2")
    words = [reports[0] if word == "REPORT" else word for word in words]
    with pytest.raises(SeekloopError) as caught:
        CliRunner().invoke(app, ["rate", *words, "-p", str(folder)], catch_exceptions=False)
    assert caught.value.code == code
