"""A stage that is run alone hands its id to scripts on stdout, and shows people what it found on stderr."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seekloop.system import settings

COMMAND = [sys.executable, "-c", "from seekloop.app.main import main; main()"]
WISHES = ("open an account", "close my card", "send money abroad", "see last month's bill", "raise the limit")
ROWS = "".join(
    f'{{"text": "{start} {wish}", "intent": "{wish.split()[0]}"}}\n'
    for wish in WISHES
    for start in ("How do I", "Please help me to", "I would very much like to", "Is there any way to")
)


def seekloop(folder: Path, *arguments: str, language: str = "en") -> subprocess.CompletedProcess[str]:
    environment = settings.child_environment(SEEKLOOP_LANG=language)
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True
    )


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A folder, and a dataset and report of the echo backend's answers in it."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "rows.jsonl").write_text(ROWS, "utf-8")
    (folder / "data.yaml").write_text(
        "sources: [{path: rows.jsonl}]\nsplit: {test: 0.4}\ndedupe: {near: false}\n", "utf-8"
    )
    (folder / "evaluate.yaml").write_text("{engine: echo, resamples: 100}\n", "utf-8")
    dataset = seekloop(folder, "data", "data.yaml").stdout.strip()
    return folder, dataset, seekloop(folder, "evaluate", "evaluate.yaml", "--from", "tiny", "--from", dataset)


def test_a_report_is_a_table_for_people_and_an_id_for_scripts(evaluated):
    _, _, done = evaluated
    assert done.stdout.startswith("report:")
    assert len(done.stdout.splitlines()) == 1
    assert "| accuracy | 0.000 [0.000, " in done.stderr


def test_a_report_with_a_baseline_shows_both_and_the_difference_in_the_users_language(evaluated):
    folder, dataset, before = evaluated
    sources = [part for identity in ("tiny", dataset, before.stdout.strip()) for part in ("--from", identity)]
    done = seekloop(folder, "evaluate", "evaluate.yaml", *sources, language="zh")
    assert "| 指标 | 本次 | baseline |" in done.stderr
    assert "与 baseline 的差异" in done.stderr
