"""What a spec says about running: continued, stopped early, computed otherwise, drawn."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Dataset
from seekloop.runtime.tiny import tiny_base
from seekloop.system.errors import SeekloopError, UsageError
from seekloop.system.progress import Silent
from seekloop.tune.spec import TuneInputs, TuneSpec
from seekloop.tune.stage import run, train_on
from tests.runtime.train.making import dataset, row, rows


@pytest.fixture
def base(ctx: RunContext) -> Checkpoint:
    return tiny_base(ctx)


@pytest.fixture
def data(ctx: RunContext) -> Dataset:
    return dataset(ctx, train=rows(8), validation=rows(2, first=30))


def _spec(**given: Any) -> TuneSpec:
    return TuneSpec.parse({"epochs": 1, "rows_per_step": 4, "learning_rate": 0.02, "method": {"rank": 4}, **given})


def _tune(ctx: RunContext, data: Dataset, checkpoint: Checkpoint, **given: Any) -> Checkpoint:
    return run(_spec(**given), TuneInputs(dataset=data, checkpoint=checkpoint), ctx=ctx)


def _state(ctx: RunContext, checkpoint: Checkpoint) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(ctx.store.path(checkpoint.id, "trainer_state.json").read_text("utf-8"))
    return value


def _losses(state: dict[str, Any]) -> list[float]:
    return [entry["loss"] for entry in state["log_history"] if "loss" in entry]


def test_continue_refuses_a_base(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    with pytest.raises(SeekloopError) as caught:
        train_on(_spec(), TuneInputs(dataset=data, checkpoint=base), ctx=ctx)
    assert caught.value.code == "tune.nothing_to_continue"


def test_continue_is_tune_on_what_was_tuned(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    first = _tune(ctx, data, base)
    more = TuneInputs(dataset=data, checkpoint=first)
    spec = _spec(schedule="linear", learning_rate=0.001)
    second = train_on(spec, more, ctx=ctx)
    assert second.id == run(spec, more, ctx=ctx).id
    assert second.parents["parent"] == first.id


def test_the_optimizers_state_is_taken_where_it_is_asked_for(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    plain = {"schedule": {"type": "constant", "warmup_ratio": 0.0}}
    first = _tune(ctx, data, base, optimizer={"save": True}, **plain)
    fresh = _tune(ctx, data, first, method={}, **plain)
    taken = _tune(ctx, data, first, method={}, optimizer={"take": True, "save": True}, **plain)
    assert _losses(_state(ctx, taken))[0] == _losses(_state(ctx, fresh))[0]
    assert taken.id != fresh.id
    steps = load_file(ctx.store.path(taken.id, "optimizer.safetensors"))
    assert {float(value) for name, value in steps.items() if name.startswith("step:")} == {4.0}


def test_the_optimizers_state_is_saved_only_where_it_is_asked_for(
    ctx: RunContext, data: Dataset, base: Checkpoint
) -> None:
    saved, plain = _tune(ctx, data, base, save_optimizer=True), _tune(ctx, data, base)
    assert set(saved.files) - set(plain.files) == {"optimizer.safetensors"}
    names = load_file(ctx.store.path(saved.id, "optimizer.safetensors"))
    assert {name.partition(":")[0] for name in names} == {"exp_avg", "exp_avg_sq", "step"}
    assert all(float(value) == 2 for name, value in names.items() if name.startswith("step:"))


def test_an_optimizers_state_that_is_not_there_is_said(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    first = _tune(ctx, data, base)
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, data, first, method={}, optimizer={"take": True})
    assert caught.value.code == "tune.no_moments"


def test_the_optimizers_state_of_other_weights_is_refused(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    full = _tune(ctx, data, base, method="full", optimizer={"save": True})
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, data, full, optimizer={"take": True})
    assert caught.value.code == "train.moments_of_others"


def test_best_weights_and_the_last_optimizers_state_do_not_go_together() -> None:
    with pytest.raises(UsageError) as caught:
        _spec(keep="best", save_optimizer=True)
    assert caught.value.code == "tune.moments_of_last"


def test_going_by_validation_rows_needs_some(ctx: RunContext, base: Checkpoint) -> None:
    with pytest.raises(SeekloopError) as caught:
        _tune(ctx, dataset(ctx, train=rows(8)), base, validation={"patience": 2})
    assert caught.value.code == "tune.no_validation"


def test_a_run_ends_when_it_no_longer_gets_better(ctx: RunContext, base: Checkpoint) -> None:
    data = dataset(ctx, train=rows(8), validation=[row(30, answer="zzzzzzzz")])
    tuned = _tune(ctx, data, base, epochs=9, method="full", early_stopping_patience=1, keep="best")
    state = _state(ctx, tuned)
    assert state["stopped_early"]
    assert state["best_global_step"] < state["global_step"] < 18


def test_answers_are_looked_at_and_written_down(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    state = _state(ctx, _tune(ctx, data, base, validation={"metric": "answers", "answers": 1}))
    assert [entry["eval_answers"] for entry in state["log_history"] if "eval_loss" in entry] == [0.0]
    assert state["best_answers"] == 0.0
    assert not state["stopped_early"]


def test_the_curves_are_one_page_without_script_or_network(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    page = ctx.store.path(_tune(ctx, data, base).id, "curves.html").read_text("utf-8")
    assert re.findall(r"<title id=.*?>(.*?)</title>", page) == ["loss", "learning rate", "gradient norm"]
    assert "<polyline" in page
    assert not re.search(r"<script|src=|href=|@import|url\(", page)


def test_the_rate_ends_at_its_floor(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    given = {"schedule": {"warmup_steps": 1, "final_learning_rate": 0.01}, "epochs": 20}
    rates = [
        entry["learning_rate"]
        for entry in _state(ctx, _tune(ctx, data, base, **given))["log_history"]
        if "loss" in entry
    ]
    assert rates[:2] == pytest.approx([0.01, 0.02])
    assert rates[-1] == pytest.approx(0.01, rel=0.01)
    assert min(rates[1:]) > 0.01


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)


def test_what_auto_came_to_is_said_and_written_into_the_origin(
    ctx: RunContext, data: Dataset, base: Checkpoint
) -> None:
    heard = Heard()
    auto = _tune(replace(ctx, progress=heard), data, base, compute={"precision": "auto"})
    settled = auto.made_by.spec["compute"]
    assert settled["checkpointing"] == "off"
    assert heard.said[0].startswith(f"precision: {settled['precision']};")
    assert _tune(ctx, data, base, compute=settled).id == auto.id


def test_a_checkpoint_trained_in_bf16_is_written_in_fp32(ctx: RunContext, data: Dataset, base: Checkpoint) -> None:
    exact, half = _tune(ctx, data, base, method="full"), _tune(ctx, data, base, method="full", bf16=True)
    assert half.precision == exact.precision == "f32"
    weights = load_file(ctx.store.path(half.id, "model.safetensors"))
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert _losses(_state(ctx, half)) == pytest.approx(_losses(_state(ctx, exact)), rel=1e-2)
