"""DeepSpeed, where it is installed: what it splits learns what a whole model does, and is stopped and resumed alike."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seekloop.system import settings

Trials = dict[str, dict[str, Any]]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="deepspeed is not part of the development environment"
)


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    """What `zeroing.py` saw."""
    command = [sys.executable, "-m", "tests.runtime.train.zeroing", str(tmp_path_factory.mktemp("zeroing"))]
    root = Path(__file__).parents[3]
    environment = settings.child_environment(OMP_NUM_THREADS="1")
    output = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900)
    assert output.returncode == 0, output.stderr
    lines = [line for line in output.stdout.splitlines() if line.startswith("{")]
    return {trial["trial"]: trial for trial in map(json.loads, lines)}


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("stage", ["2", "3"])
def test_a_run_has_the_losses_and_weights_of_one_process(trials: Trials, method: str, stage: str) -> None:
    whole, split = trials[f"{method}-alone"], trials[f"{method}-{stage}"]
    for found in split["first"]:
        assert found[1:] == pytest.approx(whole["first"][0][1:], abs=1e-5)
    for name, value in whole["weights"].items():
        assert split["weights"][name] == pytest.approx(value, abs=1e-3)
    assert split["left"] == []


def test_a_run_that_is_told_to_stop_goes_on_bit_for_bit(trials: Trials) -> None:
    codes = {code for (code,) in trials["told"]["first"]}
    assert "train.stopped" in codes
    assert codes <= {"train.stopped", "train.rank_ended"}
    assert trials["told"]["then"] == [trials["full-2"]["first"]]


def test_one_process_takes_up_what_two_left(trials: Trials) -> None:
    assert trials["to-one"]["left"]
    ((found,),) = trials["to-one"]["then"]
    assert found[1:] == pytest.approx(trials["full-alone"]["first"][0][1:], abs=1e-5)


def test_a_dead_process_ends_the_run_with_a_sentence_and_it_goes_on_bit_for_bit(trials: Trials) -> None:
    assert trials["killed"]["first"] == [["train.rank_lost"], []]
    assert trials["killed"]["then"] == [trials["full-3"]["first"]]
