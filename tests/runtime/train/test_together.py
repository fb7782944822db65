"""Several processes compute what one does; one that dies or is told to stop costs nothing that was saved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seekloop.system import settings

Trials = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """What `together.py` saw."""
    command = [sys.executable, "-m", "tests.runtime.train.together", str(tmp_path_factory.mktemp("together"))]
    root = Path(__file__).parents[3]
    environment = settings.child_environment(OMP_NUM_THREADS="1")
    output = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900)
    assert output.returncode == 0, output.stderr
    return {trial["trial"]: trial for trial in map(json.loads, output.stdout.splitlines())}


@pytest.mark.parametrize("name", ["two", "three"])
def test_losses_are_those_of_one_process(trials: Trials, name: str) -> None:
    (alone,) = trials["alone"]["first"]
    for found in trials[name]["first"]:
        assert found[1:] == pytest.approx(alone[1:], abs=1e-5)


@pytest.mark.parametrize(("two", "workers"), [("two", "workers"), ("full-two", "full-workers")])
def test_two_processes_give_the_id_of_one_with_two_workers(trials: Trials, two: str, workers: str) -> None:
    (whole,) = trials[workers]["first"]
    assert trials[two]["first"] == [whole, whole]


def test_every_process_returns_the_same_checkpoint_and_no_work_is_left(trials: Trials) -> None:
    assert len({found[0] for found in trials["three"]["first"]}) == 1
    assert trials["three"]["left"] == []


@pytest.mark.parametrize(("name", "ends"), [("killed-second", [["train.rank_lost"], []]), ("killed-first", None)])
def test_a_dead_process_ends_the_run_with_one_sentence_and_one_process_finishes_it(
    trials: Trials, name: str, ends: list[list[str]] | None
) -> None:
    trial, (whole,) = trials[name], trials["workers"]["first"]
    assert trial["first"] == (ends or [[], ["train.rank_lost"]])
    assert trial["left"]
    assert trial["then"] == [whole]


def test_a_stop_that_one_process_hears_stops_all_and_is_resumed_by_one(trials: Trials) -> None:
    trial, (whole,) = trials["told"], trials["workers"]["first"]
    codes = [code for (code,) in trial["first"]]
    assert "train.stopped" in codes
    assert set(codes) <= {"train.stopped", "train.rank_ended"}
    assert trial["then"] == [whole]


def test_dropout_repeats_with_the_same_number_of_processes(trials: Trials) -> None:
    assert trials["dropout"]["first"] == trials["dropout-again"]["first"]
    assert trials["dropout"]["first"] != trials["two"]["first"]


def test_gradients_that_only_one_process_has_are_summed_and_what_none_has_is_none(trials: Trials) -> None:
    for sums, *_ in trials["agreed"]["first"]:
        assert sums == [[3.0] * 4, [2.0] * 4, None]


def test_what_fails_in_one_process_fails_in_all(trials: Trials) -> None:
    assert [found[1:] for found in trials["agreed"]["first"]] == [
        ["第 0 号", "train.rank_ended"],
        ["第 0 号", "train.not_moving"],
    ]
