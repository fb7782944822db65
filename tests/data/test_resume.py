"""`kill -9` at any moment: the next run goes on from the finished parts and ends with the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from seekloop.data.parts import rows_a_part
from tests.data.killing import RANDOM_KILLS, ROWS, TOUCHES


@pytest.fixture(scope="module")
def trials(tmp_path_factory, pytestconfig) -> list[dict]:
    """What `killing.py` saw; the first one was not interrupted."""
    command = [sys.executable, "-m", "tests.data.killing", str(tmp_path_factory.mktemp("killing"))]
    done = subprocess.run(command, cwd=pytestconfig.rootpath, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_killed_run_ends_with_the_same_dataset(trials):
    killed = [trial for trial in trials if trial["death"] == signal.SIGKILL]
    assert len(trials) == 1 + len(TOUCHES) + RANDOM_KILLS
    assert len(killed) >= len(TOUCHES)
    assert {trial["id"] for trial in trials} == {trials[0]["id"]}


def test_it_goes_on_from_the_parts_that_are_done(trials):
    parts = -(-ROWS // rows_a_part(ROWS))
    half_way = [trial for trial in trials[1:] if 0 < trial["left"] < parts]
    assert half_way
    for trial in half_way:
        assert f"goes on where it stopped: {trial['left']} parts of {rows_a_part(ROWS)} rows are done" in trial["said"]


def test_nothing_is_left_over(trials):
    assert [trial["over"] for trial in trials[1:]] == [[]] * (len(trials) - 1)
