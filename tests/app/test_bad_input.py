"""Bad input gets one sentence, a hint and a non-zero exit code, and nothing is left half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seekloop.system import settings

COMMAND = [sys.executable, "-c", "from seekloop.app.main import main; main()"]
GOOD_SPEC = "sources: [{path: rows.jsonl}]\nsplit: {validation: 0.0, test: 0.4}\n"
GOOD_ROWS = "".join(f'{{"text": "message number {n}", "intent": "a", "reply": "answer {n}"}}\n' for n in range(9))


def seekloop(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in `folder`."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=settings.child_environment(SEEKLOOP_LANG="en", **environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> bool:
    """Whether it ended with one sentence that holds `words`, then a hint, and no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], done.stderr
    assert all(word in lines[0] for word in words), lines[0]
    return done.returncode == 2 and "Traceback" not in done.stderr and not done.stdout


def datasets(folder: Path) -> list[Path]:
    """Datasets, and drafts of any kind, that a command left in the folder's store."""
    return [*folder.glob(".seekloop/store/dataset/*"), *folder.glob(".seekloop/store/tmp/*")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good spec and good rows, for a test to spoil."""
    (tmp_path / "data.yaml").write_text(GOOD_SPEC, "utf-8")
    (tmp_path / "rows.jsonl").write_text(GOOD_ROWS, "utf-8")
    return tmp_path


def test_good_input_is_taken(folder):
    done = seekloop(folder, "data", "data.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dataset:")


def test_an_unknown_key_is_named_with_the_likely_one(folder):
    (folder / "data.yaml").write_text("sources: [{path: rows.jsonl}]\nsplitt: {test: 0.4}\n", "utf-8")
    assert refused(seekloop(folder, "data", "data.yaml"), "splitt", "did you mean split?")


def test_a_missing_column_is_named_with_those_found(folder):
    (folder / "rows.jsonl").write_text('{"frage": "x", "antwort": "y"}\n' * 3, "utf-8")
    assert refused(seekloop(folder, "data", "data.yaml"), "rows.jsonl")


def test_a_broken_line_is_named(folder):
    (folder / "rows.jsonl").write_text(GOOD_ROWS + '{"text": "x", \n', "utf-8")
    assert refused(seekloop(folder, "data", "data.yaml"), "rows.jsonl:10")
    assert datasets(folder) == []


def test_gb18030_is_read_not_refused(folder):
    rows = "".join(f'{{"text": "我的卡丢了，第{n}次", "intent": "挂失", "reply": "已为您挂失{n}"}}\n' for n in range(9))
    (folder / "rows.jsonl").write_bytes(rows.encode("gb18030"))
    done = seekloop(folder, "data", "data.yaml")
    assert done.returncode == 0, done.stderr
    assert "gb18030" in done.stderr


def test_empty_data_is_refused(folder):
    (folder / "rows.jsonl").write_text("", "utf-8")
    assert refused(seekloop(folder, "data", "data.yaml"), "rows.jsonl")
    assert datasets(folder) == []


def test_an_unknown_base_is_refused_with_the_known_ones(folder):
    made = seekloop(folder, "data", "data.yaml").stdout.strip()
    (folder / "tune.yaml").write_text("epochs: 1\n", "utf-8")
    done = seekloop(folder, "tune", "tune.yaml", "--from", made, "--from", "smolm2-135m")
    assert refused(done, "smolm2-135m", "did you mean smollm2-135m?")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(folder):
    (folder / "rows.jsonl").write_text(GOOD_ROWS.replace("message", "message " + "long " * 40_000), "utf-8")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)); "
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    code = limit + ignore + "from seekloop.app.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "data.yaml"],
        cwd=folder,
        env=settings.child_environment(SEEKLOOP_LANG="en"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert refused(done, "no space left")
    assert datasets(folder) == []


def test_an_artifact_of_a_newer_schema_is_refused(folder):
    made = seekloop(folder, "data", "data.yaml").stdout.strip()
    manifest = next(folder.glob(".seekloop/store/dataset/*/MANIFEST.json"))
    manifest.write_text(manifest.read_text("utf-8").replace('"schema_version":1', '"schema_version":9'), "utf-8")
    (folder / "tune.yaml").write_text("epochs: 1\n", "utf-8")
    done = seekloop(folder, "tune", "tune.yaml", "--from", made, "--from", "tiny")
    assert refused(done, "schema version 9")


def test_a_missing_spec_file_is_refused(folder):
    assert refused(seekloop(folder, "data", "nowhere.yaml"), "nowhere.yaml")


def test_problems_are_told_in_chinese_too(folder):
    done = subprocess.run(
        [*COMMAND, "data", "nowhere.yaml"],
        cwd=folder,
        env=settings.child_environment(SEEKLOOP_LANG="zh"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "找不到文件" in done.stderr
    assert done.returncode == 2
