"""Whatever stops a run, and whenever: the next attempt ends with the same artifact as a run that nothing stopped."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from seekloop.runtime.train.state import Work
from seekloop.system.errors import TrainError
from tests.killing import seen
from tests.runtime.train.making import Bench, losses

STEPS = 6


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What `killing.py` saw."""
    return seen("tests.runtime.train.killing", tmp_path_factory.mktemp("killing"))


def test_kill_9_at_any_step_then_resume_gives_the_same_id(trials: list[dict[str, Any]]) -> None:
    (whole,) = [trial["first"] for trial in trials if trial["trial"] == "none"]
    assert whole.startswith("checkpoint:")
    killed = [trial for trial in trials if trial["trial"] == "kill" and trial["death"]]
    assert {trial["death"] for trial in killed} == {signal.SIGKILL}
    assert len(killed) > STEPS
    assert {trial["then"] for trial in killed} == {whole}


def test_the_kills_left_every_number_of_checkpoints_behind(trials: list[dict[str, Any]]) -> None:
    left = {name for trial in trials if trial.get("death") for name in trial["left"]}
    assert left == {f"checkpoint-{step}" for step in range(1, STEPS)}
    assert any(trial["left"] == [] for trial in trials if trial.get("death"))
    assert max(len(trial["left"]) for trial in trials if "left" in trial) == 2


def test_sigterm_saves_and_says_so_and_resume_gives_the_same_id(trials: list[dict[str, Any]]) -> None:
    (whole,) = [trial["first"] for trial in trials if trial["trial"] == "none"]
    stopped = [trial for trial in trials if trial["trial"] == "term"]
    assert [trial["first"] for trial in stopped] == ["train.stopped"] * len(stopped)
    assert all(trial["left"] for trial in stopped)
    assert {trial["then"] for trial in stopped} == {whole}


def test_a_finished_run_leaves_no_work_behind(trials: list[dict[str, Any]]) -> None:
    assert [trial["over"] for trial in trials if "over" in trial] == [[]] * (len(trials) - 1)


def test_twenty_pre_emptions_of_one_run_end_with_the_id_of_a_calm_one(trials: list[dict[str, Any]]) -> None:
    (spot,) = [trial for trial in trials if trial["trial"] == "spot"]
    (_, calm), *ends, (_, after) = spot["ends"]
    assert len(ends) == 20
    assert {tuple(end) for end in ends} == {(0, "train.stopped"), (signal.SIGKILL, "")}
    assert after == calm
    assert calm.startswith("checkpoint:")


@pytest.mark.parametrize("file", ["trainable.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"])
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(bench: Bench, tmp_path: Path, file: str) -> None:
    whole = bench.train(bench.model(), bench.lora(), folder=tmp_path / "whole")
    bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", save_every_steps=1)
    damaged = tmp_path / "work" / "checkpoint-5" / file
    damaged.write_bytes(damaged.read_bytes()[:-3])
    work = Work(tmp_path / "work")
    saved = work.newest()
    assert saved is not None
    assert (saved.state.step, work.skipped) == (4, [damaged.parent])
    assert losses(bench.train(bench.model(), bench.lora(), folder=tmp_path / "work")) == losses(whole)


def test_a_checkpoint_without_its_manifest_is_no_checkpoint(bench: Bench, tmp_path: Path) -> None:
    bench.train(bench.model(), bench.lora(), folder=tmp_path, save_every_steps=1)
    for folder in tmp_path.glob("checkpoint-*"):
        (folder / "MANIFEST.json").unlink()
    assert Work(tmp_path).newest() is None


def test_only_the_last_two_checkpoints_are_kept(bench: Bench, tmp_path: Path) -> None:
    bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", save_every_steps=1)
    assert sorted(path.name for path in (tmp_path / "work").glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-5"]


def test_checkpoints_also_come_by_the_clock(bench: Bench, tmp_path: Path) -> None:
    bench.train(bench.model(), bench.lora(), folder=tmp_path, save_every_s=0.0)
    assert (tmp_path / "checkpoint-5").is_dir()


def test_two_processes_never_share_a_run(tmp_path: Path) -> None:
    with Work(tmp_path).locked(), pytest.raises(TrainError) as caught, Work(tmp_path).locked():
        pass
    assert caught.value.code == "train.already_running"


def test_dropout_after_a_resume_is_the_dropout_of_the_whole_run(bench: Bench, tmp_path: Path) -> None:
    whole = bench.train(bench.model(), bench.lora(dropout=0.2), folder=tmp_path / "whole")
    bench.train(bench.model(), bench.lora(dropout=0.2), folder=tmp_path / "work", save_every_steps=2)
    assert Work(tmp_path / "work").newest() is not None
    assert losses(bench.train(bench.model(), bench.lora(dropout=0.2), folder=tmp_path / "work")) == losses(whole)
