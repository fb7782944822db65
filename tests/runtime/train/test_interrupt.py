"""A run that is told to stop, or whose disk is full, loses a step at most and says so in one sentence."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import nn

from seekloop.artifact.context import RunContext
from seekloop.runtime.train.batching import Batch
from seekloop.runtime.train.interrupt import asking, stop_requests
from seekloop.runtime.train.objectives.next_token import NextToken
from seekloop.runtime.train.objectives.objective import Part, Whole
from seekloop.runtime.train.state import State, Work
from seekloop.runtime.train.validating import Validation
from seekloop.runtime.train.workers import Workers
from seekloop.system.errors import ArtifactError, TrainError
from tests.runtime.train.making import Bench, losses, rows


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_its_handler_given_back(number: signal.Signals) -> None:
    earlier = signal.getsignal(number)
    with stop_requests() as stopping:
        assert not stopping()
        os.kill(os.getpid(), number)
        assert stopping()
    assert signal.getsignal(number) == earlier


def test_a_second_ctrl_c_does_not_wait() -> None:
    with stop_requests(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    found: list[bool] = []

    def work() -> None:
        with stop_requests() as stopping:
            found.append(stopping())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


class Impatient:
    """An observer that sends SIGTERM as soon as a step begins to be known; the next one is then in its first batch."""

    def __init__(self, after: int) -> None:
        self.after = after

    def begin(self, state: State, *, steps: int) -> None:
        """Nothing."""

    def entry(self, entry: dict[str, float]) -> None:
        """Send it."""
        if entry["step"] == self.after and "loss" in entry:
            os.kill(os.getpid(), signal.SIGTERM)

    def end(self, state: State) -> None:
        """Nothing."""


def test_a_validation_is_not_waited_for(bench: Bench, tmp_path: Path) -> None:
    whole = bench.train(bench.model(), bench.lora(), folder=tmp_path / "whole", **_watched())
    with pytest.raises(TrainError) as caught:
        bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", observers=[Impatient(after=2)], **_watched())
    assert (caught.value.code, caught.value.facts["step"]) == ("train.stopped", 2)
    saved = Work(tmp_path / "work").newest()
    assert saved is not None
    assert [entry for entry in saved.state.history if "eval_loss" in entry] == whole.history[1:2]
    again = bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", **_watched())
    assert again.history == whole.history


def _watched() -> dict[str, object]:
    return {"validation": rows(3, first=40), "watched": Validation(every_steps=1)}


def test_a_step_that_is_cut_off_is_done_again(bench: Bench, tmp_path: Path) -> None:
    whole = bench.train(bench.model(), bench.lora(), folder=tmp_path / "whole")
    bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", save_every_steps=3)
    with _signalled_in(seconds=0.0), pytest.raises(TrainError) as caught:
        bench.train(bench.model(), bench.lora(), folder=tmp_path / "work")
    assert caught.value.facts["step"] == 3
    again = bench.train(bench.model(), bench.lora(), folder=tmp_path / "work")
    assert losses(again) == losses(whole)


def test_a_stop_is_heard_before_each_layer_on_the_way_there_and_back(bench: Bench) -> None:
    model, heard = bench.model(), []
    bench.lora().apply(model, seed=0)
    with asking(model, lambda: heard.append(1)):
        states = model.get_decoder()(input_ids=torch.tensor([[1, 2, 3]]), use_cache=False).last_hidden_state
        assert len(heard) == 2
        states.sum().backward()
    assert len(heard) == 4
    model.get_decoder()(input_ids=torch.tensor([[1, 2, 3]]))
    assert len(heard) == 4


@dataclass(frozen=True, kw_only=True)
class _Endless(NextToken):
    """A micro-batch that takes until somebody looked."""

    looked: threading.Event = field(default_factory=threading.Event)

    def part(self, model: nn.Module, batch: Batch, *, whole: Whole) -> Part:
        """Wait."""
        self.looked.wait(60)
        return super().part(model, batch, whole=whole)


def test_a_stop_does_not_wait_for_a_micro_batch(bench: Bench) -> None:
    model, objective = bench.model(), _Endless()
    views = [view for part in bench.views(rows(2)) for view in part]

    def stop() -> None:
        objective.looked.set()
        raise TrainError("train.stopped", step=1, steps=2)

    with Workers.open(model, objective, count=1, threads=1, budget=64, pad=0, sharing=False) as workers:
        workers.look = stop
        with pytest.raises(TrainError) as caught:
            workers.measure(views)
    assert caught.value.code == "train.stopped"


@contextmanager
def _signalled_in(*, seconds: float) -> Iterator[None]:
    """SIGTERM from outside, heard when the first handler is there."""
    ready = threading.Event()
    ordinary = signal.getsignal(signal.SIGTERM)

    def send() -> None:
        while signal.getsignal(signal.SIGTERM) == ordinary and not ready.wait(0.001):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ready.set()
        thread.join()


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Files may not grow beyond `size` bytes: what a full disk looks like to a process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_the_earlier_checkpoint_and_says_so(ctx: RunContext, bench: Bench, tmp_path: Path) -> None:
    whole = bench.train(bench.model(), bench.lora(), folder=tmp_path / "whole")
    bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", save_every_steps=4)
    with _room_for(2048), pytest.raises(ArtifactError) as caught:
        bench.train(bench.model(), bench.lora(), folder=tmp_path / "work", save_every_steps=1)
    assert caught.value.code == "system.disk_full"
    assert "\n" not in caught.value.sentence("en").strip()
    left = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert left == ["checkpoint-4", "choices.json"]
    assert losses(bench.train(bench.model(), bench.lora(), folder=tmp_path / "work")) == losses(whole)
