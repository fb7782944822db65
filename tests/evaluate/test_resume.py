"""`kill -9` at any moment, or a full disk: the next run goes on from the answers, and ends with the same report."""

from __future__ import annotations

import signal

import pytest

from seekloop.evaluate.answered import Answered
from seekloop.system.clock import ManualClock
from seekloop.system.errors import DataError
from tests.evaluate.killing import FULL, PROBES, RANDOM_KILLS, ROWS, TOUCHES
from tests.killing import seen


@pytest.fixture(scope="module")
def trials(tmp_path_factory) -> list[dict]:
    """What `killing.py` saw; the first one was not interrupted."""
    return seen("tests.evaluate.killing", tmp_path_factory.mktemp("killing"))


def test_a_killed_evaluation_ends_with_the_same_report(trials):
    killed = [trial for trial in trials if trial["death"] == signal.SIGKILL]
    assert len(trials) == 1 + len(TOUCHES) + len(FULL) + RANDOM_KILLS
    assert len(killed) >= len(TOUCHES)
    assert {trial["id"] for trial in trials} == {trials[0]["id"]}


def test_no_answer_is_generated_twice(trials):
    for trial in trials:
        if trial["trial"] == "kill":
            assert trial["touched"] == max(0, ROWS - trial["at"]) + PROBES
            assert any("goes on where it stopped" in line for line in trial["said"])


def test_a_full_disk_is_one_sentence_and_what_was_answered_is_kept(trials):
    full = [trial for trial in trials if trial["trial"] == "full"]
    assert {trial["first"]["code"] for trial in full} == {"system.disk_full"}
    assert all("\n" not in trial["first"]["sentence"] for trial in full)
    assert all(trial["touched"] <= ROWS - trial["at"] + PROBES for trial in full)


def test_nothing_is_left_behind(trials):
    assert all(trial.get("over", []) == [] for trial in trials)


def answers(folder):
    kept = Answered(folder, clock=ManualClock())
    with kept.locked():
        return kept.found


def keep(folder, *names):
    kept = Answered(folder, clock=ManualClock())
    with kept.locked():
        for name in names:
            kept.add(name, {"ids": [1]})


def test_a_torn_line_is_asked_again_and_what_follows_it_is_read(tmp_path):
    keep(tmp_path, "a", "b")
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-3])
    assert set(answers(tmp_path)) == {"a"}
    keep(tmp_path, "c")
    assert set(answers(tmp_path)) == {"a", "c"}


def test_a_changed_line_is_no_answer(tmp_path):
    keep(tmp_path, "a", "b")
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes().replace(b'"b"', b'"x"'))
    assert set(answers(tmp_path)) == {"a"}


def test_two_processes_do_not_write_the_same_answers(tmp_path):
    with Answered(tmp_path, clock=ManualClock()).locked(), pytest.raises(DataError) as caught:
        keep(tmp_path, "a")
    assert caught.value.code == "evaluate.already_running"
