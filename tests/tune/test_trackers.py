"""Trackers see what the history holds, tell of what is missing before the first step, and never stop or slow a run."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.runtime.tiny import tiny_base
from seekloop.runtime.train.state import State
from seekloop.system.errors import MissingPackage, UsageError
from seekloop.system.progress import Silent
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from seekloop.tune.trackers.build import TRACKERS
from seekloop.tune.trackers.jsonl import JsonLines
from seekloop.tune.trackers.reporting import Reporter
from seekloop.tune.trackers.tensorboard import TensorBoard
from seekloop.tune.trackers.tracker import Run
from tests.runtime.train.making import dataset, rows

ENTRIES = [{"step": step, "epoch": step / 3, "loss": 1 / step} for step in range(1, 7)]


class Said(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)


@pytest.fixture
def inputs(ctx: RunContext) -> TuneInputs:
    data = dataset(ctx, train=rows(8), validation=rows(2, first=30))
    return TuneInputs(dataset=data, checkpoint=tiny_base(ctx))


def _tune(ctx: RunContext, inputs: TuneInputs, *report_to: str) -> Checkpoint:
    given = {"epochs": 1, "rows_per_step": 4, "method": {"rank": 4}, "report_to": list(report_to)}
    return run(TuneSpec.parse(given), inputs, ctx=ctx)


def _history(ctx: RunContext, tuned: Checkpoint) -> list[dict[str, float]]:
    found: list[dict[str, float]] = json.loads(ctx.store.path(tuned.id, "trainer_state.json").read_text())[
        "log_history"
    ]
    return found


def _board(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_tensorboard_reads_back_every_figure_of_the_history(ctx: RunContext, inputs: TuneInputs) -> None:
    tuned = _tune(ctx, inputs, "tensorboard")
    (folder,) = (ctx.root / "tracking" / "tensorboard").iterdir()
    board, history = _board(folder), _history(ctx, tuned)
    losses = {int(entry["step"]): entry["loss"] for entry in history if "loss" in entry}
    assert {event.step: event.value for event in board.Scalars("train/loss")} == pytest.approx(losses)
    assert board.Scalars("eval/loss")[0].value == pytest.approx(history[-1]["eval_loss"])
    assert tuned.id.encode() in board.Tensors("artifact/text_summary")[0].tensor_proto.string_val[0]


def test_json_lines_hold_the_facts_the_history_and_the_artifact(ctx: RunContext, inputs: TuneInputs) -> None:
    tuned = _tune(ctx, inputs, "jsonl")
    (file,) = (ctx.root / "tracking" / "jsonl").iterdir()
    first, *entries, last = (json.loads(line) for line in file.read_text("utf-8").splitlines())
    assert (first["dataset"], first["spec"]["method"]["rank"]) == (inputs.dataset.id, 4)
    assert entries == _history(ctx, tuned)
    assert last == {"artifact": tuned.id}


def test_who_watches_is_no_part_of_what_comes_out(ctx: RunContext, inputs: TuneInputs) -> None:
    assert _tune(ctx, inputs, "jsonl").id == _tune(ctx, inputs).id


def test_a_missing_package_is_said_before_the_first_step(ctx: RunContext, inputs: TuneInputs) -> None:
    with pytest.raises(MissingPackage) as caught:
        _tune(ctx, inputs, "swanlab")
    assert (caught.value.code, caught.value.facts["extra"]) == ("system.package_missing", "swanlab")
    assert not list(ctx.work.glob("*/checkpoint-*"))


def test_a_tracker_that_fails_is_said_once_and_the_run_ends_the_same(ctx: RunContext, inputs: TuneInputs) -> None:
    said = Said()
    (ctx.root / "tracking").mkdir()
    (ctx.root / "tracking" / "jsonl").write_text("a file where a folder should be")
    tuned = _tune(replace(ctx, progress=said), inputs, "jsonl")
    assert len([line for line in said.lines if "nothing more is reported there" in line]) == 1
    assert tuned.id == _tune(ctx, inputs).id


class _Hanging(JsonLines):
    """A tracker whose server never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = threading.Event(), threading.Event()

    def begin(self, run: Run, *, history: Sequence[Mapping[str, float]]) -> None:
        """Wait for what does not come."""
        self.asked.set()
        self.answer.wait()


def test_a_tracker_that_hangs_is_left_behind(tmp_path: Path) -> None:
    said, tracker = Said(), _Hanging()
    told = Run(id="tune-1", folder=tmp_path, facts={})
    reporter = Reporter("jsonl", tracker, run=told, say=said.say, logger=logging.getLogger("seekloop"))
    reporter.begin(State(), steps=3)
    assert tracker.asked.wait(30)
    for entry in ENTRIES:
        reporter.entry(entry)
    reporter.close("checkpoint:1", patience_s=0.01)
    assert [line.partition(";")[2] for line in said.lines] == [" it has not taken everything after 0.01 s"]
    tracker.answer.set()


@pytest.mark.parametrize("tracker", [JsonLines, TensorBoard])
def test_a_run_that_goes_on_is_one_run(tmp_path: Path, tracker: type[JsonLines] | type[TensorBoard]) -> None:
    told = Run(id="tune-1", folder=tmp_path, facts={"seed": 3})
    for history, rest, artifact in ((ENTRIES[:0], ENTRIES[:4], None), (ENTRIES[:2], ENTRIES[2:], "checkpoint:1")):
        attempt = tracker()
        attempt.begin(told, history=history)
        for entry in rest:
            attempt.entry(entry)
        attempt.end(artifact)
    if tracker is TensorBoard:
        steps = [event.step for event in _board(tmp_path / "tune-1").Scalars("train/loss")]
    else:
        lines = (tmp_path / "tune-1.jsonl").read_text("utf-8").splitlines()
        steps = [json.loads(line)["step"] for line in lines[1:-1]]
    assert steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("given", "meant"), [("none", ()), ("tensorboard", ("tensorboard",)), (["wandb", "none", "wandb"], ("wandb",))]
)
def test_report_to_reads_as_elsewhere(given: Any, meant: tuple[str, ...]) -> None:
    assert TuneSpec.parse({"report_to": given}).report_to == meant


def test_an_unknown_tracker_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        TuneSpec.parse({"report_to": "comet"})
    assert all(name in str(caught.value) for name in TRACKERS)
