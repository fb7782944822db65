"""Curves beside a run: both files at each validation and at the end, whole, with speed, and never in its way."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from seekloop.artifact.context import RunContext
from seekloop.runtime.tiny import tiny_base
from seekloop.system.clock import ManualClock
from seekloop.system.progress import Silent
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run
from seekloop.tune.trackers.curves import Curves
from seekloop.tune.trackers.tracker import Run
from tests.runtime.train.making import dataset, rows


class Said(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)


def _size(picture: bytes) -> tuple[int, int]:
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", picture[16:24])


def test_a_run_leaves_a_page_and_a_picture_and_the_artifact_is_the_same_without(ctx: RunContext) -> None:
    data = dataset(ctx, train=rows(8), validation=rows(2, first=30))
    inputs, told = TuneInputs(dataset=data, checkpoint=tiny_base(ctx)), Said()
    given = {"epochs": 2, "rows_per_step": 4, "method": {"rank": 4}}
    watched = run(TuneSpec.parse({**given, "plot_loss": True}), inputs, ctx=replace(ctx, progress=told))
    (folder,) = (ctx.root / "tracking" / "curves").iterdir()
    page = (folder / "curves.html").read_text("utf-8")
    assert re.findall(r"<title id=.*?>(.*?)</title>", page)[0] == "loss"
    assert watched.id in page and "validation" in page
    assert min(_size((folder / "curves.png").read_bytes())) > 500
    assert not any("not drawn" in line for line in told.lines)
    assert run(TuneSpec.parse(given), inputs, ctx=ctx).id == watched.id


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tracker(tmp_path: Path, clock: ManualClock) -> Curves:
    curves = Curves(lambda text: None, clock=clock)
    curves.begin(Run(id="r", folder=tmp_path, facts={}), history=[])
    return curves


def test_both_are_written_at_a_validation_and_at_a_new_epoch_and_not_between(tracker: Curves, tmp_path: Path) -> None:
    page = tmp_path / "r" / "curves.html"
    tracker.entry({"step": 1, "epoch": 0.5, "loss": 2.0, "tokens": 10})
    assert not page.exists()
    tracker.entry({"step": 1, "epoch": 0.5, "eval_loss": 1.5})
    first = page.read_bytes()
    tracker.entry({"step": 2, "epoch": 0.9, "loss": 1.0, "tokens": 20})
    assert page.read_bytes() == first
    tracker.entry({"step": 3, "epoch": 1.0, "loss": 0.5, "tokens": 30})
    assert page.read_bytes() != first
    assert not list(page.parent.glob(".*"))


def test_tokens_a_second_are_those_between_two_steps(tracker: Curves, tmp_path: Path, clock: ManualClock) -> None:
    for step in (1, 2, 3):
        clock.advance(2.0)
        tracker.entry({"step": step, "epoch": step / 3, "loss": 1.0, "tokens": 100 * step})
    assert "from 50 at step 2 to 50 at step 3" in (tmp_path / "r" / "curves.html").read_text("utf-8")


def test_a_run_without_a_finite_number_is_drawn_too(tracker: Curves, tmp_path: Path) -> None:
    tracker.entry({"step": 1, "epoch": 1.0, "loss": float("nan"), "grad_norm": float("inf")})
    tracker.end(None)
    assert (tmp_path / "r" / "curves.png").stat().st_size > 1000
