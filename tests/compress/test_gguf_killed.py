"""A conversion that is killed, or finds the disk full, leaves nothing, and the next one gives the same file."""

from __future__ import annotations

import signal

import pytest

from tests.killing import seen


@pytest.fixture(scope="module")
def trials(tmp_path_factory) -> list[dict]:
    """What `killing_gguf.py` saw; the first one was not interrupted."""
    return seen("tests.compress.killing_gguf", tmp_path_factory.mktemp("killing"))


def test_a_killed_conversion_leaves_no_form_and_the_next_gives_the_same(trials):
    killed = [trial for trial in trials if trial["death"] == signal.SIGKILL]
    assert len(killed) == 2
    assert {trial["id"] for trial in trials} == {trials[0]["id"]}
    assert all(trial["half"] == [] and trial["over"] == [] for trial in trials[1:])


def test_a_full_disk_is_one_sentence(trials):
    first = trials[-1]["first"]
    assert first["code"] == "system.disk_full"
    assert "\n" not in first["sentence"]
