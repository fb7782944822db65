"""`kill -9` at any moment, or a full disk: the next run goes on from the finished parts, with the same bytes."""

from __future__ import annotations

import signal

import pytest

from seekloop.data.parts import rows_a_part
from tests.data.killing import FULL, RANDOM_KILLS, ROWS, TOUCHES
from tests.killing import seen


@pytest.fixture(scope="module")
def trials(tmp_path_factory) -> list[dict]:
    """What `killing.py` saw; the first one was not interrupted."""
    return seen("tests.data.killing", tmp_path_factory.mktemp("killing"))


def test_a_killed_run_ends_with_the_same_dataset(trials):
    killed = [trial for trial in trials if trial["death"] == signal.SIGKILL]
    assert len(trials) == 1 + len(TOUCHES) + len(FULL) + RANDOM_KILLS
    assert len(killed) >= len(TOUCHES)
    assert {trial["id"] for trial in trials} == {trials[0]["id"]}


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(trials):
    firsts = [trial["first"] for trial in trials if trial["trial"] == "full"]
    assert [first["code"] for first in firsts] == ["system.disk_full"] * len(FULL)
    assert all(first["sentence"].startswith("no space left while writing ") for first in firsts)
    assert [first["half"] for first in firsts] == [[]] * len(FULL)


def test_it_goes_on_from_the_parts_that_are_done(trials):
    parts = -(-ROWS // rows_a_part(ROWS))
    half_way = [trial for trial in trials[1:] if 0 < trial["left"] < parts]
    assert half_way
    for trial in half_way:
        assert f"goes on where it stopped: {trial['left']} parts of {rows_a_part(ROWS)} rows are done" in trial["said"]


def test_nothing_is_left_over(trials):
    assert [trial["over"] for trial in trials[1:]] == [[]] * (len(trials) - 1)
