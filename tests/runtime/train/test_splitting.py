"""A model that is split over processes learns what a whole one does, and a process that dies costs nothing saved."""

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
    """What `splitting.py` saw."""
    command = [sys.executable, "-m", "tests.runtime.train.splitting", str(tmp_path_factory.mktemp("splitting"))]
    root = Path(__file__).parents[3]
    environment = settings.child_environment(OMP_NUM_THREADS="1")
    output = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900)
    assert output.returncode == 0, output.stderr
    return {trial["trial"]: trial for trial in map(json.loads, output.stdout.splitlines())}


@pytest.mark.parametrize(
    "name",
    ["answers-smollm2", "dpo-smollm2", "orpo-smollm2", "kto-smollm2", "answers-qwen2", "answers-deepseek-v3"],
)
def test_a_step_has_the_loss_and_gradients_of_a_whole_model(trials: Trials, name: str) -> None:
    for delta, compared in trials[name]["deltas"]:
        assert compared > 20
        assert delta < 1e-5


@pytest.mark.parametrize(
    ("whole", "split"),
    [
        ("alone", "one"),
        ("alone", "two"),
        ("alone", "three"),
        ("full-alone", "full-two"),
        ("answers-alone", "answers-two"),
    ],
)
def test_a_run_has_the_losses_of_one_process(trials: Trials, whole: str, split: str) -> None:
    (alone,) = trials[whole]["first"]
    ids = {found[0] for found in trials[split]["first"]}
    assert len(ids) == 1
    for found in trials[split]["first"]:
        assert found[1:] == pytest.approx(alone[1:], abs=1e-5)
    assert trials[split]["left"] == []


@pytest.mark.parametrize(("whole", "split"), [("alone", "two"), ("alone", "three"), ("full-alone", "full-two")])
def test_the_checkpoint_is_in_one_piece(trials: Trials, whole: str, split: str) -> None:
    expected, found = trials[whole]["weights"], trials[split]["weights"]
    assert found.keys() == expected.keys()
    for name, (*shape, total) in expected.items():
        assert found[name][:-1] == shape
        assert found[name][-1] == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "ends"), [("killed-0", [[], ["train.rank_lost"]]), ("killed-1", [["train.rank_lost"], []])]
)
def test_a_dead_process_ends_the_run_and_as_many_go_on_to_the_same_id(
    trials: Trials, name: str, ends: list[list[str]]
) -> None:
    trial, whole = trials[name], trials["two"]["first"]
    assert trial["first"] == ends
    assert "trainable.1-of-2.safetensors" in trial["left"]
    assert trial["then"] == [whole]


def test_a_stop_that_one_process_hears_stops_all_and_is_resumed_bit_for_bit(trials: Trials) -> None:
    codes = {code for (code,) in trials["told"]["first"]}
    assert "train.stopped" in codes
    assert codes <= {"train.stopped", "train.rank_ended"}
    assert trials["told"]["then"] == [trials["two"]["first"]]


@pytest.mark.parametrize(("name", "written"), [("fewer", "of-3"), ("to-one", "of-2")])
def test_another_number_of_processes_goes_on_with_what_was_saved(trials: Trials, name: str, written: str) -> None:
    (alone,) = trials["alone"]["first"]
    assert any(written in file for file in trials[name]["left"])
    for found in trials[name]["then"][0]:
        assert found[0].startswith("checkpoint:")
        assert found[1:] == pytest.approx(alone[1:], abs=1e-5)
